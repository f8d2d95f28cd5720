import type { Fixture } from './fixture.js';
import { TestMount, type TestMountOptions } from './testMount.js';

/**
 * Mounts a fixture, for any test runner. The mount ends with `end()`, or with this process, however that ends.
 *
 * @param fixture path of a snapshot (`.hxz`), or of a recipe (`.yaml`) that makes one
 * @returns when a read of the mount works
 * @throws HexzError of the recipe, the snapshot, the overlay, FUSE; nothing is left behind then
 */
export async function mountFixture(
  fixture: Fixture,
  options: TestMountOptions = {},
): Promise<TestMount> {
  const mount = new TestMount(fixture, options);
  try {
    await mount.begin();
    return mount;
  } catch (error) {
    await mount.end();
    throw error;
  }
}

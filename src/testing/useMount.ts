import { HexzError } from '../engine/errors.js';
import type { Fixture } from './fixture.js';
import { TestMount, type TestMountOptions } from './testMount.js';

/** Making a fixture may take its time. */
const BEGIN_LIMIT_MILLISECONDS = 120_000;
/** Longer than an engine gets before it is killed. */
const END_LIMIT_MILLISECONDS = 30_000;

/** Vitest, where it runs us; users of other runners need not have it. */
const vitest =
  process.env.VITEST === undefined ? undefined : await import('vitest').catch(() => undefined);

export interface UseMountOptions extends TestMountOptions {
  /** `test` (default): each test has a mount of its own. `suite`: all tests of the file or `describe` share one. */
  readonly per?: 'test' | 'suite';
}

/**
 * For the top of a test file or `describe` of vitest: mounts a fixture before each test and sweeps it behind it,
 * also one that fails or runs out of time.
 *
 * @returns the mount of the test that runs
 * @throws HexzError USAGE where vitest does not run it; `mountFixture` is for others
 */
export function useMount(fixture: Fixture, options: UseMountOptions = {}): TestMount {
  if (vitest === undefined) {
    throw new HexzError('USAGE', 'useMount wants vitest to run it', {
      hint: 'mountFixture works with every test runner',
    });
  }
  const { per = 'test', ...mountOptions } = options;
  const mount = new TestMount(fixture, mountOptions);
  const before = per === 'test' ? vitest.beforeEach : vitest.beforeAll;
  const after = per === 'test' ? vitest.afterEach : vitest.afterAll;
  before(() => mount.begin(), BEGIN_LIMIT_MILLISECONDS);
  after(() => mount.end(), END_LIMIT_MILLISECONDS);
  return mount;
}

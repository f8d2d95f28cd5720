import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildFixtures } from '../../src/engine/write/recipe/fixtures.js';
import { expectOverlay, expectReads, mountFixture } from '../../src/testing/index.js';
import { goldenPath, projectDirectory } from '../support/fixtures.js';
import { writeFiles } from '../support/recipeFiles.js';
import { sandboxedTesting } from '../support/testing.js';

const text = readFileSync(join(projectDirectory, 'docs', 'testing.md'), 'utf8');
const example = join(projectDirectory, 'examples', 'testing', 'fixtures', 'counter.yaml');
const hexz = sandboxedTesting();

test('the recipe in docs/testing.md makes the snapshot of examples/testing', async () => {
  const recipe = /```yaml\n([^`]*)```/.exec(text)?.[1] ?? '';
  const directory = writeFiles(hexz.sandbox.newDirectory(), { 'counter.yaml': recipe });
  const recipes = [join(directory, 'counter.yaml'), example];
  const files = await Promise.all(
    recipes.map(async (path) => {
      const [fixture] = await buildFixtures({ recipes: [path], purpose: 'check' });
      expect(['none', 'same']).toContain(fixture?.state);
      return fixture?.files.find(({ name }) => name === 'counter.hxz');
    }),
  );
  expect(files[0]).toEqual(files[1]);
  expect(files[0]?.bytes).toBeGreaterThan(0);
});

test('docs/testing.md names the members of a mount, and every expectation', async () => {
  const mount = await mountFixture(goldenPath('a-lz4-onebyte.hxz'), { noMount: true });
  const members = Object.getOwnPropertyNames(Object.getPrototypeOf(mount));
  const isPublic = (name: string) => !['constructor', 'begin'].includes(name);
  const section = /\n## A mount\n([\s\S]*?)\n## /.exec(text)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| (`[^|]*`) +\|/gm)].map(([, cell]) => cell ?? '');
  const named = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)/g)].map(([, name]) => name));
  expect(named.sort()).toEqual(members.filter(isPublic).sort());
  for (const name of Object.keys({ ...expectOverlay(mount), ...expectReads(mount) })) {
    expect(text).toContain(`\`.${name}(`);
  }
  await mount.end();
});

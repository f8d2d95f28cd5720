import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildFixtures, type Fixture } from '../../../../src/engine/write/recipe/fixtures.js';
import { codeOfAsync } from '../../../support/errors.js';
import { writeFiles } from '../../../support/recipeFiles.js';
import { requires } from '../../../support/requires.js';
import { temporaryDirectories } from '../../../support/temporary.js';

const newDirectory = temporaryDirectories();

const recipe = { disk: [{ file: 'input.txt' }, { zeros: 5 }] };

/** A directory with a recipe `r.yaml` and its lock. */
async function locked(content: unknown = recipe): Promise<string> {
  const directory = writeFiles(newDirectory(), { 'r.yaml': content, 'input.txt': 'input' });
  await run(directory, 'update');
  return directory;
}

async function run(directory: string, purpose: 'build' | 'check' | 'update'): Promise<Fixture> {
  const recipes = [join(directory, 'r.yaml')];
  const [fixture] = await buildFixtures({ recipes, directory, purpose, force: true });
  if (fixture === undefined) throw new Error('nothing was made');
  return fixture;
}

interface LockText {
  tools: Record<string, string>;
  files: Record<string, { sha256: string; bytes: number }>;
}

function changeLock(directory: string, change: (lock: LockText) => void): void {
  const path = join(directory, 'r.lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8')) as LockText;
  change(lock);
  writeFileSync(path, JSON.stringify(lock));
}

const forget = (lock: LockText): void => {
  for (const sum of Object.values(lock.files)) sum.sha256 = '0'.repeat(64);
};

test('a lock file says what was made, of what and with what', async () => {
  const directory = await locked();
  expect(JSON.parse(readFileSync(join(directory, 'r.lock.json'), 'utf8'))).toEqual({
    version: 1,
    tools: { encoder: expect.stringMatching(/^lz4-napi \d+\.\d+\.\d+$/) as unknown },
    inputs: {
      'input.txt': {
        bytes: 5,
        sha256: 'c96c6d5be8d08a12e7b5cdc1b207fa6b2430974c86803d8891675e76fd992c20',
      },
    },
    files: {
      'r.hxz': {
        bytes: expect.any(Number) as unknown,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      },
    },
  });
  expect((await run(directory, 'check')).state).toBe('same');
  expect((await run(directory, 'build')).state).toBe('same');
  expect((await run(directory, 'update')).state).toBe('same');
});

test('without a lock file there is nothing to agree with', async () => {
  const directory = await locked();
  rmSync(join(directory, 'r.lock.json'));
  expect((await run(directory, 'check')).state).toBe('none');
  expect((await run(directory, 'update')).state).toBe('renewed');
});

test('a recipe that makes something else does not agree, until its lock is renewed', async () => {
  const directory = await locked();
  writeFiles(directory, { 'r.yaml': { disk: [{ text: 'else' }] } });
  const { state, differences } = await run(directory, 'check');
  expect(state).toBe('mismatch');
  expect(differences).toEqual([
    'input input.txt is locked, and the recipe has none',
    expect.stringMatching(
      /^r\.hxz should be SHA-256 [0-9a-f]{64} \(\d+ bytes\), and is SHA-256 [0-9a-f]{64} \(\d+ bytes\)$/,
    ),
  ]);
  expect((await run(directory, 'update')).state).toBe('renewed');
  expect((await run(directory, 'check')).state).toBe('same');
});

test('an input that has changed is named', async () => {
  const directory = await locked();
  writeFileSync(join(directory, 'input.txt'), 'other');
  const { state, differences } = await run(directory, 'check');
  expect(state).toBe('mismatch');
  expect(differences[0]).toMatch(/^input input\.txt should be SHA-256 c96c6d5b/);
});

test('files that come and go do not agree', async () => {
  const directory = await locked();
  const overlay = { file: 'r.overlay', writes: [{ offset: 0, text: 'x' }] };
  writeFiles(directory, { 'r.yaml': { ...recipe, overlay } });
  expect((await run(directory, 'check')).differences).toEqual([
    'r.overlay is not locked',
    'r.meta is not locked',
    'r.overlay.hexz.json is not locked',
  ]);
});

describe('other tools', () => {
  test('an encoder of another version is told apart from a mismatch', async () => {
    const directory = await locked();
    const { encoder } = (await run(directory, 'check')).tools;
    changeLock(directory, (lock) => {
      forget(lock);
      lock.tools.encoder = 'lz4-napi 0.0.1';
    });
    const { state, differences } = await run(directory, 'check');
    expect(state).toBe('tool-differs');
    expect(differences[0]).toBe(`made with lz4-napi 0.0.1, here is ${encoder}: cannot be compared`);
  });

  test('that make the same bytes are no matter', async () => {
    const directory = await locked();
    changeLock(directory, (lock) => {
      lock.tools.encoder = 'lz4-napi 0.0.1';
    });
    expect((await run(directory, 'check')).state).toBe('same');
  });

  test.runIf(requires('e2fsprogs'))('e2fsprogs, also below a parent', async () => {
    const directory = writeFiles(newDirectory(), {
      'r.yaml': { parent: 'base.yaml', disk: [{ parent: 'disk' }, { text: 'x' }] },
      'base.yaml': { disk: [{ ext4: { size: '1MiB' } }] },
    });
    await run(directory, 'update');
    const recipes = [join(directory, 'r.yaml')];
    const check = async () => (await buildFixtures({ recipes, purpose: 'check' })).at(-1);
    expect((await check())?.state).toBe('same');
    changeLock(directory, (lock) => {
      expect(lock.tools.e2fsprogs).toMatch(/^\d+\.\d+/);
      lock.tools.e2fsprogs = '1.2.3';
      forget(lock);
    });
    const child = await check();
    expect(child?.state).toBe('tool-differs');
    expect(child?.differences[0]).toMatch(
      /^made with e2fsprogs 1\.2\.3, here is e2fsprogs \d.*: cannot be compared$/,
    );
  });

  test('do not excuse an input that has changed', async () => {
    const directory = await locked();
    changeLock(directory, (lock) => {
      lock.tools.encoder = 'lz4-napi 0.0.1';
    });
    writeFileSync(join(directory, 'input.txt'), 'other');
    expect((await run(directory, 'check')).state).toBe('mismatch');
  });
});

test.each([
  ['no JSON', '{', 'RECIPE_INVALID'],
  ['JSON of something else', '{"version": 2}', 'RECIPE_INVALID'],
  [
    'a hash that is none',
    '{"version":1,"tools":{"encoder":""},"inputs":{},"files":{"a":{"bytes":1,"sha256":"x"}}}',
    'RECIPE_INVALID',
  ],
  ['a file without end', ' '.repeat(16 * 1024 ** 2 + 1), 'LIMIT'],
])('a lock file that is %s is refused', async (_, text, code) => {
  const directory = await locked();
  writeFileSync(join(directory, 'r.lock.json'), text);
  expect(await codeOfAsync(() => run(directory, 'check'))).toBe(code);
});

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkMountpoint } from '../../../src/engine/process/mountpoint.js';
import { register } from '../../../src/engine/process/registry.js';
import { errorOf } from '../../support/errors.js';
import { projectDirectory } from '../../support/fixtures.js';
import { entryOf, ownRegistry } from '../../support/registry.js';
import { requires } from '../../support/requires.js';
import { canMountFuse, silentMounts } from '../../support/silentMount.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const newSilentMount = silentMounts();
ownRegistry();

const NOBODY = 65534;

function expectUnusable(path: string, message: RegExp | string) {
  const error = errorOf(() => checkMountpoint(path));
  expect([error.code, error.exitStatus]).toEqual(['MOUNTPOINT_UNUSABLE', 6]);
  expect(error.message).toMatch(message);
  expect(error.location).toEqual({ file: path });
  return error;
}

/** What another user is answered: the path, or the error in one line. */
function checkAs(uid: number, path: string): string {
  const source = join(projectDirectory, 'src', 'engine', 'process', 'mountpoint.ts');
  const program = `
    const { checkMountpoint } = await import(process.argv[1]);
    try { console.log(checkMountpoint(process.argv[2])); }
    catch (error) { console.log(error.toLine()); }`;
  const loader = join(projectDirectory, 'test', 'support', 'typescript.mjs');
  const parameters = ['--import', loader, '--input-type=module', '-e', program, source, path];
  return execFileSync(process.execPath, parameters, { uid, gid: uid }).toString().trim();
}

describe('a usable mountpoint', () => {
  test('is answered as its real path', () => {
    const directory = newDirectory();
    mkdirSync(join(directory, 'empty'));
    symlinkSync('empty', join(directory, 'link'));
    const expected = realpathSync(join(directory, 'empty'));
    expect(checkMountpoint(join(directory, 'link'))).toBe(expected);
    expect(checkMountpoint(`${directory}/./empty/`)).toBe(expected);
  });
});

describe('an unusable mountpoint', () => {
  test('that does not exist', () => {
    const path = join(newDirectory(), 'absent');
    expect(expectUnusable(path, 'does not exist').hint).toBe(`mkdir -p ${path}`);
  });

  test('that a broken link stands for', () => {
    const path = join(newDirectory(), 'link');
    symlinkSync('absent', path);
    expectUnusable(path, 'does not exist');
  });

  test('that is a file, or below one', () => {
    const path = join(newDirectory(), 'file');
    writeFileSync(path, '');
    expectUnusable(path, 'not a directory');
    expectUnusable(join(path, 'below'), 'not a directory');
  });

  test('that is not empty', () => {
    const path = newDirectory();
    writeFileSync(join(path, '.hidden'), '');
    expect(expectUnusable(path, 'not empty').hint).toContain('empty directory');
  });

  test('that is a mount of something else', () => {
    expectUnusable('/proc', /a mount already: proc from proc/);
  });

  test.skipIf(!canMountFuse)('that is a mount of hexz which hangs', async () => {
    const path = newDirectory();
    const server = await newSilentMount(path, { endsWithMount: false });
    expect(expectUnusable(path, 'a mount of hexz already').hint).toBe(`hexz unmount ${path}`);
    register(entryOf(server.pid, { mountpoint: path }));
    expectUnusable(path, `of /snapshots/disk.hxz, served by process ${server.pid}`);
  });

  test.skipIf(!canMountFuse)('that is a dead mount of hexz', async () => {
    const path = newDirectory();
    const server = await newSilentMount(path);
    register(entryOf(server.pid, { mountpoint: path }));
    await server.kill();
    const error = expectUnusable(path, /dead mount.*Transport endpoint is not connected/);
    expect(error.hint).toBe(`hexz unmount ${path}`);
  });
});

describe.runIf(requires('root', 'a checkout that everybody can read'))(
  'for an ordinary user',
  () => {
    test('a directory that everybody may write to is usable', () => {
      const parent = newDirectory();
      const path = join(parent, 'open');
      mkdirSync(path);
      chmodSync(parent, 0o755);
      chmodSync(path, 0o777);
      expect(checkAs(NOBODY, path)).toBe(path);
      chmodSync(path, 0o1777);
      expect(checkAs(NOBODY, path)).toMatch(
        /belongs to user 0: not permitted; mount on a directory/,
      );
    });

    test('a directory that he may not write to is not', () => {
      const parent = newDirectory();
      const path = join(parent, 'closed');
      mkdirSync(path);
      chmodSync(parent, 0o755);
      expect(checkAs(NOBODY, path)).toMatch(
        /you may not write to the mountpoint: permission denied/,
      );
    });

    test('nor is one that he may not look into or get at', () => {
      const parent = newDirectory();
      const path = join(parent, 'closed');
      mkdirSync(path);
      expect(checkAs(NOBODY, path)).toMatch(/not yours to look into: permission denied/);
    });
  },
);

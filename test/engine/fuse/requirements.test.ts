import { spawnSync } from 'node:child_process';
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type Check,
  checkRequirements,
  requirements,
} from '../../../src/engine/fuse/requirements.js';
import { errorOf } from '../../support/errors.js';
import { projectDirectory } from '../../support/fixtures.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { runTool } from '../../support/tools.js';

const newDirectory = temporaryDirectories();
const isRoot = process.getuid?.() === 0;

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const actAs = (userId: number) => vi.spyOn(process, 'geteuid').mockReturnValue(userId);

/** A directory that is all of PATH, with programs of these names and permissions. */
function pathWith(programs: Readonly<Record<string, number>>): string {
  const directory = newDirectory();
  for (const [name, mode] of Object.entries(programs)) {
    writeFileSync(join(directory, name), '#!/bin/sh\n');
    chmodSync(join(directory, name), mode);
  }
  vi.stubEnv('PATH', directory);
  return directory;
}

const fusermount = (): Check | undefined =>
  requirements('fuse-native', { allowOther: false }).find(({ name }) => name === 'fusermount');

describe('fusermount', () => {
  test('is missing for an ordinary user, not for root', () => {
    pathWith({});
    actAs(1000);
    expect(fusermount()).toMatchObject({ state: 'missing', remedy: 'apt install fuse3' });
    actAs(0);
    expect(fusermount()).toMatchObject({ state: 'warning', remedy: 'apt install fuse3' });
  });

  test('is missing where only fusermount3 is, for libfuse 2 runs it by its old name', () => {
    const directory = pathWith({ fusermount3: 0o4755 });
    actAs(1000);
    expect(fusermount()).toMatchObject({
      state: 'missing',
      detail: expect.stringContaining('fusermount3 is') as unknown,
      remedy: `ln -s fusermount3 ${directory}/fusermount (as root)`,
    });
    symlinkSync('fusermount3', join(directory, 'fusermount'));
    expect(fusermount()?.state).toBe(isRoot ? 'ok' : 'missing');
  });

  test('must be setuid root for an ordinary user', () => {
    const directory = pathWith({ fusermount: 0o755 });
    actAs(1000);
    expect(fusermount()).toMatchObject({
      state: 'missing',
      remedy: `chown root ${directory}/fusermount && chmod u+s ${directory}/fusermount (as root)`,
    });
    actAs(0);
    expect(fusermount()).toEqual({
      name: 'fusermount',
      state: 'ok',
      detail: `is ${directory}/fusermount`,
    });
  });
});

test('what is missing first is an error, with its remedy as hint', () => {
  pathWith({});
  actAs(1000);
  const missing = requirements('fuse-native', { allowOther: false }).find(
    ({ state }) => state === 'missing',
  );
  expect(missing).toBeDefined();
  expect(
    errorOf(() => checkRequirements(requirements('fuse-native', { allowOther: false }))),
  ).toMatchObject({
    code: 'FUSE_UNAVAILABLE',
    message: `${missing?.name} ${missing?.detail}`,
    hint: missing?.remedy,
  });
});

const withoutRight = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'] as const;
const canDropRights = isRoot && runTool(...withoutRight, 'true');

describe.skipIf(!canDropRights)('where mounting is not permitted, as in a container', () => {
  const permission = (userId: number): unknown => {
    const module = new URL('../../../src/engine/fuse/requirements.ts', import.meta.url);
    const script = `
      process.geteuid = () => ${userId};
      const { requirements } = await import('${module}');
      const found = requirements('fuse-native', { allowOther: false });
      console.log(JSON.stringify(found.find(({ name }) => name === 'mounting')));
    `;
    const loader = join(projectDirectory, 'test', 'support', 'typescript.mjs');
    const node = [process.execPath, '--import', loader, '--input-type=module', '--eval', script];
    const [program, ...parameters] = [...withoutRight, ...node];
    const { stdout } = spawnSync(program, parameters, { encoding: 'utf8' });
    return JSON.parse(stdout);
  };

  test.each([
    ['root', 0],
    ['an ordinary user', 1000],
  ])('%s is told so', (_, userId) => {
    expect(permission(userId)).toEqual({
      name: 'mounting',
      state: 'missing',
      detail: 'is not permitted here',
      remedy: 'in a container: --cap-add SYS_ADMIN --device /dev/fuse',
    });
  });
});

test('what is asked for others is asked of /etc/fuse.conf, but not for root', () => {
  const state = () =>
    requirements('fuse-native', { allowOther: true }).find(
      ({ name }) => name === 'user_allow_other',
    )?.state;
  actAs(0);
  expect(state()).toBe('ok');
  actAs(1000);
  const isSet = runTool('grep', '-qx', 'user_allow_other', '/etc/fuse.conf');
  expect(state()).toBe(isSet ? 'ok' : 'missing');
});

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Check } from '../../../src/engine/fuse/requirements.js';
import { checkMachine } from '../../../src/engine/process/doctor.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const checkOf = (name: string): Check | undefined =>
  checkMachine().checks.find((check) => check.name === name);

describe('the checks', () => {
  test('are of everything that hexz needs', () => {
    expect(checkMachine().checks.map(({ name }) => name)).toEqual([
      'Node.js',
      '/dev/fuse',
      'mounting',
      'fusermount3',
      'koffi',
      'fusermount',
      'fuse-native',
      'user_allow_other',
      'flock',
      'nbd module',
      'nbd-client',
      'free space',
      'compression libraries',
    ]);
  });

  test('say of everything that is not well what mends it', () => {
    for (const { state, detail, remedy } of checkMachine().checks) {
      expect(detail).not.toBe('');
      if (state !== 'ok') expect(remedy).toBeTruthy();
    }
  });

  test('find the Node.js that runs them', () => {
    expect(checkOf('Node.js')).toEqual({
      name: 'Node.js',
      state: 'ok',
      detail: `is version ${process.versions.node}`,
    });
  });

  test.each([
    ['20.18.3', 'missing'],
    ['20.19.0', 'ok'],
    ['22.0.0', 'ok'],
    ['8.99.0', 'missing'],
  ])('hold Node.js %s to be %s', (node, state) => {
    vi.spyOn(process, 'versions', 'get').mockReturnValue({ ...process.versions, node });
    expect(checkOf('Node.js')?.state).toBe(state);
  });

  test('find programs in the directories of PATH', () => {
    const directory = newDirectory();
    const path = join(directory, 'nbd-client');
    writeFileSync(path, '#!/bin/sh\n');
    vi.stubEnv('PATH', directory);
    expect(checkOf('nbd-client')?.detail).not.toBe(`is ${path}`);
    chmodSync(path, 0o755);
    expect(checkOf('nbd-client')).toEqual({
      name: 'nbd-client',
      state: 'ok',
      detail: `is ${path}`,
    });
  });

  test('hold missing NBD for no obstacle to FUSE', () => {
    for (const name of ['nbd module', 'nbd-client']) {
      expect(checkOf(name)?.state).not.toBe('missing');
    }
  });

  test('look for space in the temporary directory', () => {
    const absent = join(newDirectory(), 'absent');
    vi.stubEnv('TMPDIR', absent);
    expect(checkOf('free space')).toMatchObject({
      state: 'warning',
      detail: `is unknown: ${absent}: no such file or directory`,
    });
  });

  test('note that bundled libraries are used', () => {
    vi.stubEnv('HEXZ_CODECS', 'bundled');
    expect(checkOf('compression libraries')).toMatchObject({
      state: 'ok',
      remedy: expect.any(String),
    });
  });
});

describe('mounting can work', () => {
  test('exactly if nothing is missing that FUSE needs', () => {
    const { canMount, checks } = checkMachine();
    const needed = ['/dev/fuse', 'mounting', 'koffi', 'fusermount3', 'fuse-native', 'fusermount'];
    const isComplete = checks.every(
      ({ name, state }) => state !== 'missing' || !needed.includes(name),
    );
    expect(canMount).toBe(isComplete);
  });

  test('without flock, which overlays cannot do without', () => {
    // Root needs no other program.
    vi.spyOn(process, 'geteuid').mockReturnValue(0);
    const { canMount } = checkMachine();
    vi.stubEnv('PATH', newDirectory());
    expect(checkOf('flock')).toMatchObject({ state: 'missing', remedy: 'apt install util-linux' });
    expect(checkMachine().canMount).toBe(canMount);
  });
});

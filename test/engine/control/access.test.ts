import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { engines } from '../../support/engines.js';
import { type BuiltRecipe, builtRecipe } from '../../support/recipes.js';
import { ORDINARY_USER, requires } from '../../support/requires.js';

const all = engines();
let repeated: BuiltRecipe;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

/** What comes of connecting to a socket as an ordinary user: an error code, or `connected`. */
function connectAsOther(socketPath: string): string {
  const code = `
    const socket = require('node:net').connect(${JSON.stringify(socketPath)});
    socket.on('error', ({ code }) => { console.log(code); process.exit(); });
    socket.on('connect', () => { console.log('connected'); process.exit(); });
  `;
  const { stdout } = spawnSync(process.execPath, ['--eval', code], {
    uid: ORDINARY_USER,
    gid: ORDINARY_USER,
    cwd: '/',
    encoding: 'utf8',
  });
  return stdout.trim();
}

describe('the socket of an engine', () => {
  test('lies in a directory that only its user may enter', async () => {
    const { socketPath } = await all.start({ snapshot: repeated.snapshot });
    expect(lstatSync(dirname(socketPath)).mode & 0o777).toBe(0o700);
    expect(lstatSync(socketPath).isSocket()).toBe(true);
  });

  test.runIf(requires('root'))('is out of reach for another user', async () => {
    const { socketPath } = await all.start({ snapshot: repeated.snapshot });
    // All that leads there is open but the directory itself.
    chmodSync(all.hexz.sandbox.environment.XDG_RUNTIME_DIR, 0o755);
    expect(connectAsOther(socketPath)).toBe('EACCES');
  });

  test('in a directory that is open to others is not made', async () => {
    const { socketPath } = await all.start({ snapshot: repeated.snapshot });
    chmodSync(dirname(socketPath), 0o755);
    await expect(all.start({ snapshot: repeated.snapshot })).rejects.toMatchObject({
      code: 'REGISTRY_UNUSABLE',
    });
    chmodSync(dirname(socketPath), 0o700);
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ServeOptions } from '../../../src/engine/process/settings.js';
import { findEngine, type ReachableEngine } from '../../../src/engine/process/start.js';
import { breakControlThread } from '../../support/breakControlThread.js';
import { engines } from '../../support/engines.js';
import { projectDirectory } from '../../support/fixtures.js';
import { isMounted } from '../../support/mounts.js';
import { type BuiltRecipe, builtRecipe } from '../../support/recipes.js';
import { requires } from '../../support/requires.js';
import { until, within } from '../../support/until.js';

const all = engines();
const GONE_MS = 3000;
let repeated: BuiltRecipe;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

const programs: ChildProcess[] = [];
afterEach(() => {
  for (const program of programs.splice(0)) program.kill('SIGKILL');
});

const moduleUrl = (path: string): string =>
  JSON.stringify(pathToFileURL(join(projectDirectory, 'dist', path)).href);

/** A program that starts an engine, does something with a `client` of it, and goes on until it is killed. */
async function programWith(
  options: ServeOptions,
  action: string,
): Promise<{ program: ChildProcess; engine: ReachableEngine }> {
  const code = `
    const { startEngine } = await import(${moduleUrl('engine/process/start.js')});
    const { ControlClient } = await import(${moduleUrl('engine/control/client.js')});
    const engine = await startEngine(${JSON.stringify(options)});
    const connect = () => ControlClient.connect(engine.socketPath);
    ${action}
    console.log(JSON.stringify(engine));
    setInterval(() => {}, 1000);
  `;
  const program = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    env: { ...process.env, ...all.hexz.sandbox.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  programs.push(program);
  const [line] = await within('the program', once(program.stdout, 'data'));
  return { program, engine: JSON.parse(String(line)) as ReachableEngine };
}

const takeLease = (kind: string): string =>
  `const client = await connect(); await client.request('lease', { kind: '${kind}' });`;

/** Engine, mount, temporary overlay, socket and entry. */
async function expectAllGone(): Promise<void> {
  const { sandbox } = all.hexz;
  await until(
    'nothing is left',
    () =>
      sandbox.processes().length === 0 &&
      sandbox.mountpoints().length === 0 &&
      sandbox.temporaryFiles().length === 0,
    GONE_MS,
  );
  const registry = join(sandbox.environment.XDG_RUNTIME_DIR, 'hexz');
  expect(readdirSync(registry)).toEqual([]);
}

async function kill(program: ChildProcess): Promise<void> {
  const ended = once(program, 'exit');
  program.kill('SIGKILL');
  await ended;
}

const isFusable = requires('FUSE');

describe.each([
  ['with a mount', true],
  ['without a mount', false],
])('an engine %s', (_name, hasMount) => {
  const optionsOf = (): ServeOptions => ({
    snapshot: repeated.snapshot,
    rw: true,
    ...(hasMount ? { mountpoint: all.hexz.newMountpoint() } : {}),
  });

  describe.runIf(isFusable || !hasMount)('is gone with everything', () => {
    test.each([
      ['before he connects', ''],
      ['before he takes the lease', 'await connect();'],
      ['with a bound lease', takeLease('bound')],
      [
        'with a bound lease and requests under way',
        `${takeLease('bound')}
         for (let each = 0; each < 20; each++) {
           client.stream('search', { stream: 'disk', pattern: 'x:??' });
           client.request('quiesce', {}).catch(() => {});
         }
         client.request('watch', {}).catch(() => {});`,
      ],
    ])('when its starter is killed %s', async (_when, action) => {
      const { program } = await programWith(optionsOf(), action);
      await kill(program);
      await expectAllGone();
    });

    test('when the connection of a bound lease closes', async () => {
      const { client } = await all.leased(optionsOf());
      await client.close();
      await expectAllGone();
    });

    test('when it is told so, and he who says so is answered', async () => {
      for (const isLazy of [false, true]) {
        const { client } = await all.leased(optionsOf());
        expect(await client.request('shutdown', { isLazy })).toEqual({ keptOverlay: null });
        await within('the end', client.closed);
        await expectAllGone();
      }
    });
  });

  test.runIf(isFusable || !hasMount)(
    'keeps a temporary overlay with changes when told so',
    async () => {
      for (const isLazy of [false, true]) {
        const { engine, client } = await all.leased(optionsOf());
        const { mountpoint } = engine;
        const place = mountpoint ?? all.hexz.newMountpoint();
        if (mountpoint === null) await client.request('mount', { mountpoint: place });
        const file = await open(join(place, 'disk'), 'r+');
        await file.write('kept', 10);
        await file.close();
        if (mountpoint === null) await client.request('unmount', {});
        const { keptOverlay } = await client.request('shutdown', { isLazy, keepsOverlay: true });
        await until('its end', () => all.hexz.sandbox.processes().length === 0);
        expect(readFileSync(keptOverlay ?? '').toString('latin1', 10, 14)).toBe('kept');
      }
    },
  );

  test.runIf(isFusable || !hasMount)('keeps nothing where nothing has changed', async () => {
    const { client } = await all.leased(optionsOf());
    expect(await client.request('shutdown', { keepsOverlay: true })).toEqual({ keptOverlay: null });
    await expectAllGone();
  });
});

describe.runIf(isFusable)('a terminal lease', () => {
  test('whose holder is killed leaves an orphan, which another adopts', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { program, engine } = await programWith(
      { snapshot: repeated.snapshot, mountpoint, rw: true },
      takeLease('terminal'),
    );
    await kill(program);
    await until('the orphan', async () => {
      const [entry] = await all.hexz.status();
      return entry?.lease === 'orphaned';
    });
    expect(isMounted(mountpoint)).toBe(true);
    const client = await all.connect(findEngine(mountpoint));
    expect(client.pid).toBe(engine.pid);
    expect(await client.request('lease', { kind: 'bound' })).toMatchObject({ lease: 'bound' });
    await client.close();
    await expectAllGone();
  });

  test('of an engine without a mount is no orphan, but its changes are kept', async () => {
    const place = all.hexz.newMountpoint();
    const { program } = await programWith(
      { snapshot: repeated.snapshot, rw: true },
      `${takeLease('terminal')}
       await client.request('mount', { mountpoint: ${JSON.stringify(place)} });
       (await import('node:child_process')).execFileSync('sh',
         ['-c', 'printf kept | dd of="$0" conv=notrunc status=none', ${JSON.stringify(join(place, 'disk'))}]);
       await client.request('unmount', {});`,
    );
    const [entry] = await all.hexz.status();
    await kill(program);
    await until('its end', () => all.hexz.sandbox.processes().length === 0, GONE_MS);
    expect(existsSync(String(entry?.overlay))).toBe(true);
  });

  test('ends with its mount when it is an orphan', async () => {
    const mountpoint = all.hexz.newMountpoint();
    const { program } = await programWith(
      { snapshot: repeated.snapshot, mountpoint, rw: true },
      takeLease('terminal'),
    );
    await kill(program);
    await all.hexz.unmount({ mountpoint });
    await expectAllGone();
  });
});

describe('a lease', () => {
  test('is held by one connection, which may change its kind', async () => {
    const { engine, client } = await all.leased({ snapshot: repeated.snapshot });
    const other = await all.connect(engine);
    await expect(other.request('lease', { kind: 'bound' })).rejects.toMatchObject({
      code: 'ENGINE_LEASED',
    });
    expect(await client.request('lease', { kind: 'terminal' })).toMatchObject({
      lease: 'terminal',
    });
    // Who does not hold it may come and go.
    await other.close();
    expect(await client.request('state', {})).toMatchObject({ lease: 'terminal' });
  });
});

describe.runIf(isFusable)('when the thread that answers watchers meets a bug', () => {
  test.each([
    ['mount', true],
    ['terminal', true],
    ['bound', false],
  ])('an engine with the lease %s goes on: %s', async (lease, goesOn) => {
    const trigger = all.hexz.sandbox.path('trigger');
    const daemon = await all.hexz.daemon(repeated.snapshot, [], {
      env: { NODE_OPTIONS: breakControlThread(trigger) },
    });
    const client = await all.connect(findEngine(daemon.mountpoint));
    if (lease !== 'mount') await client.request('lease', { kind: lease as 'bound' });
    writeFileSync(trigger, '');
    await within('the end of the connection', client.closed);
    if (!goesOn) {
      await until('its end', () => all.hexz.sandbox.processes().length === 0);
      expect(isMounted(daemon.mountpoint)).toBe(false);
      return;
    }
    await until('another thread', async () => {
      try {
        const again = await all.connect(findEngine(daemon.mountpoint));
        return (await again.request('state', {})).pid === daemon.pid;
      } catch {
        return false;
      }
    });
    expect(readFileSync(daemon.ready.log, 'utf8')).toContain('a bug');
    const [entry] = await all.hexz.status();
    expect(entry).toMatchObject({ lease: lease === 'mount' ? 'mount' : 'orphaned' });
  });
});

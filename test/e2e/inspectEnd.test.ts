import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cliEnvironment, cliPath } from '../support/cli.js';
import { isMounted, mounts } from '../support/mounts.js';
import { type BuiltRecipe, builtRecipe } from '../support/recipes.js';
import { requires } from '../support/requires.js';
import { packSnapshot } from '../support/snapshots.js';
import { runTool } from '../support/tools.js';
import { until, within } from '../support/until.js';

const hexz = mounts();
const GONE_MS = 3000;
let repeated: BuiltRecipe;
const running: ChildProcess[] = [];

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** A headless inspect that runs. */
class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [cliPath, 'inspect', ...args], {
      env: cliEnvironment(hexz.sandbox.environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(this.child);
    this.child.stdout?.on('data', (text) => {
      this.stdout += text;
    });
    this.child.stderr?.on('data', (text) => {
      this.stderr += text;
    });
    this.ended = once(this.child, 'exit').then(([status]) => status as number | null);
  }

  says(text: string): Promise<void> {
    return until(`"${text}"`, () => `${this.stdout}${this.stderr}`.includes(text));
  }

  end(): Promise<number | null> {
    return within('its end', this.ended, 30_000);
  }
}

/** The engine that serves in the sandbox. */
async function enginePid(): Promise<number> {
  const [entry] = await hexz.status();
  return Number(entry?.pid);
}

/** Besides engines, which end by themselves: shells and what they run. */
const programs = (): readonly string[] =>
  hexz.sandbox
    .processes()
    .map((pid) => commandLineOf(pid))
    .filter((command) => command.startsWith('sleep'));

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

const everythingIsGone = (): Promise<void> =>
  until(
    'nothing is left',
    () =>
      hexz.sandbox.processes().length === 0 &&
      hexz.sandbox.mountpoints().length === 0 &&
      hexz.sandbox.temporaryFiles().length === 0,
    GONE_MS,
  );

describe.runIf(requires('FUSE'))('a headless inspect', () => {
  test('that is killed while it starts leaves no temporary directory', async () => {
    const { sandbox } = hexz;
    // With an engine that gets its request, and one that does not.
    for (const isFound of [true, false]) {
      const inspect = new Running([repeated.snapshot, '-c', 'wait 1m']);
      const engines = () =>
        sandbox.processes().filter((pid) => commandLineOf(pid).includes('engineMain'));
      const isDue = () => (isFound ? sandbox.temporaryFiles().length > 0 : engines().length > 0);
      await until('the start', isDue);
      inspect.child.kill('SIGKILL');
      await inspect.end();
      await everythingIsGone();
    }
  });

  test('of which screen and engine were both killed is swept away by the next one', async () => {
    const inspect = new Running([repeated.snapshot, '--rw', '-c', 'sh echo begun; sleep 600']);
    await inspect.says('begun');
    const [mountpoint = ''] = hexz.sandbox.mountpoints();
    const pid = await enginePid();
    inspect.child.kill('SIGSTOP');
    process.kill(pid, 'SIGKILL');
    inspect.child.kill('SIGKILL');
    await inspect.end();
    expect(isMounted(mountpoint)).toBe(true);
    const next = new Running([repeated.snapshot, '--no-mount', '-c', 'sh true']);
    expect(await next.end()).toBe(0);
    await everythingIsGone();
  });

  test('that is killed leaves no program that it has started', async () => {
    const inspect = new Running([
      repeated.snapshot,
      '-c',
      'sh sleep 601 & setsid sleep 602 & echo begun; sleep 603; true',
    ]);
    await inspect.says('begun');
    await until('its programs', () => programs().length === 3);
    inspect.child.kill('SIGKILL');
    await inspect.end();
    await everythingIsGone();
  });

  test('that ends lets go of programs that it has started', async () => {
    const inspect = new Running([
      ...[repeated.snapshot, '--no-mount', '-c'],
      'sh sleep 601 > /dev/null 2>&1 &',
    ]);
    expect(await inspect.end()).toBe(0);
    await until('the rest', () => hexz.sandbox.processes().length === 1);
    expect(programs()).toEqual(['sleep 601 ']);
  });

  test.each([
    'wait 1m',
    'wait idle 1m',
    'sh echo begun; sleep 600',
    'sh kill -9 $(cat "$TMPDIR/pid")',
  ])('whose engine is killed says so, and leaves no dead mount: %s', async (command) => {
    const mountpoint = hexz.newMountpoint();
    const wait = 'sh echo begun; until test -e "$TMPDIR/pid"; do sleep 0.1; done';
    const inspect = new Running([
      ...[repeated.snapshot, mountpoint, '--rw'],
      ...['-c', command.includes('pid') ? wait : 'sh echo begun', '-c', command],
    ]);
    await inspect.says('begun');
    const pid = await enginePid();
    if (command.includes('pid')) {
      writeFileSync(join(hexz.sandbox.environment.TMPDIR, 'pid'), String(pid));
    } else {
      process.kill(pid, 'SIGKILL');
    }
    expect(await inspect.end()).toBe(6);
    expect(inspect.stderr).toContain(
      `the engine, process ${pid}, was killed; its mount was taken away`,
    );
    expect(isMounted(mountpoint)).toBe(false);
    expect(hexz.sandbox.processes()).toEqual([]);
  });
});

/** Keeps the disk open for writing, and writes at the end of a time. */
const lateWriter = (seconds: number): string =>
  `sh (exec 3<>"$HEXZ_MOUNT/disk"; sleep ${seconds}; printf late >&3) > /dev/null 2>&1 &`;

describe.runIf(requires('FUSE'))('a script that ends while its mount is in use', () => {
  test('waits for a program that is still writing', async () => {
    const overlay = hexz.sandbox.path('overlay');
    const inspect = new Running([
      ...[repeated.snapshot, '--rw', '--overlay', overlay, '-c', lateWriter(3)],
    ]);
    expect(await inspect.end()).toBe(0);
    expect(inspect.stderr).toMatch(/it is in use by .*\(process \d+\).*waiting 10 s/);
    expect(readFileSync(overlay).toString('latin1', 0, 4)).toBe('late');
    await everythingIsGone();
  });

  test('takes the mount from a program that does not end, and says from whom', async () => {
    const overlay = hexz.sandbox.path('overlay');
    const inspect = new Running([
      ...[repeated.snapshot, '--rw', '--overlay', overlay, '-c', lateWriter(600)],
    ]);
    await inspect.says('waiting 10 s');
    // Whoever does not want to wait says so.
    inspect.child.kill('SIGINT');
    expect(await inspect.end()).toBe(6);
    expect(inspect.stderr).toMatch(/taken away although it is in use by .*\(process \d+\)/);
    expect(hexz.sandbox.mountpoints()).toEqual([]);
    expect(await hexz.status()).toEqual([]);
  });

  test('keeps the status of what went wrong before', async () => {
    const inspect = new Running([repeated.snapshot, '--rw', '-c', `${lateWriter(600)}\nsh exit 9`]);
    await inspect.says('waiting 10 s');
    inspect.child.kill('SIGTERM');
    expect(await inspect.end()).toBe(1);
  });
});

describe.runIf(requires('FUSE', 'root', 'loop devices', 'e2fsprogs'))(
  'what a file system on a loop device has not flushed',
  () => {
    test.each(['SIGINT', 'SIGKILL'] as const)(
      'is in the overlay when the mount is taken from it by %s',
      async (signal) => {
        const { sandbox } = hexz;
        const image = sandbox.path('image');
        expect(runTool('mkfs.ext4', '-q', image, '16384')).toBe(true);
        const snapshot = sandbox.path('disk.hxz');
        packSnapshot(snapshot, { disk: readFileSync(image) });
        const directory = sandbox.newDirectory();
        const overlay = sandbox.path('overlay');
        const script = sandbox.path('script');
        writeFileSync(
          script,
          `sh mount -o loop "$HEXZ_MOUNT/disk" ${directory} && echo precious > ${directory}/file && echo begun
           ${signal === 'SIGKILL' ? 'wait 1m' : ''}\n`,
        );
        const args = ['--rw', '--overlay', overlay, '--script', script];
        const inspect = new Running([snapshot, ...args]);
        await inspect.says(signal === 'SIGKILL' ? 'begun' : 'waiting 10 s');
        inspect.child.kill(signal);
        expect(await inspect.end()).toBe(signal === 'SIGKILL' ? null : 6);
        await everythingIsNotServed();
        runTool('umount', directory);
        await until('the end of the loop device', () => sandbox.loopDevices().length === 0);
        const read = await hexz.run([
          ...['inspect', snapshot, '--overlay', overlay, '-c'],
          'sh debugfs -R "cat /file" "$HEXZ_MOUNT/disk" 2> /dev/null',
        ]);
        expect(read.stdout.toString()).toBe('precious\n');
      },
    );
  },
);

/** The file system that was mounted from it still is. */
const everythingIsNotServed = (): Promise<void> =>
  until('no engine', () => hexz.sandbox.processes().length === 0, GONE_MS);

describe.runIf(requires('FUSE'))(
  'unmount in a session that is attached to the mount of others',
  () => {
    test('has to be meant', async () => {
      const daemon = await hexz.daemon(repeated.snapshot);
      const attach = (script: string) =>
        hexz.run(['inspect', '--attach', daemon.mountpoint, '-c', script]);
      const refused = await attach('unmount');
      expect(refused).toMatchObject({ status: 2 });
      expect(refused.stderr).toMatch(
        /attached to it, and the engine ends with it; unmount --force/,
      );
      expect(isMounted(daemon.mountpoint)).toBe(true);
      expect(await attach('unmount --force')).toMatchObject({ status: 0, stderr: '' });
      await everythingIsNotServed();
      expect(isMounted(daemon.mountpoint)).toBe(false);
    });

    test('ends the engine, of which commands behind it tell', async () => {
      const { mountpoint } = await hexz.daemon(repeated.snapshot);
      const result = await hexz.run([
        'inspect',
        '--attach',
        mountpoint,
        '-c',
        'unmount --force; info',
      ]);
      expect(result).toMatchObject({ status: 6 });
      expect(result.stderr).toContain('has ended with its mount');
    });

    test('needs no word where the session has its own engine', async () => {
      const directory = hexz.sandbox.newDirectory();
      mkdirSync(join(directory, 'mount'));
      const args = ['inspect', repeated.snapshot, join(directory, 'mount'), '-c', 'unmount; state'];
      expect(await hexz.run(args)).toMatchObject({ status: 0, stderr: '' });
      expect(readdirSync(directory)).toEqual(['mount']);
    });
  },
);

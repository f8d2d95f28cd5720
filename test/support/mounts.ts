import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { readMountTable } from '../../src/engine/process/mountTable.js';
import { type CliOptions, type CliResult, cliEnvironment, cliPath, jsonOf, runCli } from './cli.js';
import { Sandbox } from './sandbox.js';
import { within } from './until.js';

/** What the command prints of a mount that is ready. */
interface Ready {
  readonly pid: number;
  readonly mountpoint: string;
  readonly snapshot: string;
  readonly mode: 'ro' | 'rw';
  readonly overlay: string | null;
  readonly isTemporaryOverlay: boolean;
  readonly warnings: readonly string[];
}

interface DaemonReady extends Ready {
  readonly log: string;
  readonly errorLog: string;
}

interface End {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface MountOptions extends Pick<CliOptions, 'cwd' | 'env' | 'uid'> {
  /** Default: a new directory. */
  readonly mountpoint?: string;
}

/** Paths in a mount. */
class MountPaths {
  readonly mountpoint: string;
  readonly disk: string;
  readonly memory: string;

  constructor(mountpoint: string) {
    this.mountpoint = mountpoint;
    this.disk = join(mountpoint, 'disk');
    this.memory = join(mountpoint, 'memory');
  }
}

/** A mount that `hexz mount` serves in the foreground. */
export class ForegroundMount extends MountPaths {
  readonly pid: number;
  readonly ready: Ready;
  /** How the command ends. */
  readonly ended: Promise<End>;
  readonly #output: Output;

  constructor(child: ChildProcess, ready: Ready, ended: Promise<End>, output: Output) {
    super(ready.mountpoint);
    this.pid = child.pid ?? 0;
    this.ready = ready;
    this.ended = ended;
    this.#output = output;
  }

  /** What the command has said so far. */
  get stderr(): string {
    return this.#output.stderr;
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<End> {
    process.kill(this.pid, signal);
    return within(`the end after ${signal}`, this.ended);
  }
}

/** A mount that `hexz mount --daemon` has left in the background. */
class DaemonMount extends MountPaths {
  readonly pid: number;
  readonly ready: DaemonReady;

  constructor(ready: DaemonReady) {
    super(ready.mountpoint);
    this.pid = ready.pid;
    this.ready = ready;
  }
}

interface Output {
  stdout: string;
  stderr: string;
}

/** The built command, run in a sandbox that every test has for itself. */
class Hexz {
  #sandbox: Sandbox | undefined;

  get sandbox(): Sandbox {
    if (this.#sandbox === undefined) throw new Error('no test is running');
    return this.#sandbox;
  }

  begin(): void {
    this.#sandbox = new Sandbox();
  }

  async finish(): Promise<void> {
    await this.sandbox.sweep();
    this.#sandbox = undefined;
  }

  /** Runs a command to its end. */
  run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return runCli(args, { ...options, env: { ...this.sandbox.environment, ...options.env } });
  }

  /** Mounts in the foreground; resolves when it says that it is ready. */
  async mount(
    snapshot: string,
    args: readonly string[] = [],
    options: MountOptions = {},
  ): Promise<ForegroundMount> {
    const { mountpoint = this.newMountpoint(), env, ...spawnOptions } = options;
    const child = spawn(
      process.execPath,
      [cliPath, 'mount', snapshot, mountpoint, '--json', ...args],
      {
        ...spawnOptions,
        env: cliEnvironment({ ...this.sandbox.environment, ...env }),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const output: Output = { stdout: '', stderr: '' };
    child.stderr.on('data', (chunk: Buffer) => {
      output.stderr += chunk;
    });
    const ended = new Promise<End>((resolve) => {
      child.on('close', (status, signal) => resolve({ status, signal }));
    });
    const ready = new Promise<Ready>((resolve, reject) => {
      child.on('error', reject);
      child.stdout.on('data', (chunk: Buffer) => {
        output.stdout += chunk;
        const [line = '', rest] = output.stdout.split('\n');
        if (rest !== undefined && line !== '{') resolve(JSON.parse(line) as Ready);
      });
      child.on('close', () => reject(new Error(`it does not mount: ${output.stderr}`)));
    });
    return new ForegroundMount(child, await within('a mount', ready), ended, output);
  }

  /** Mounts in the background. */
  async daemon(
    snapshot: string,
    args: readonly string[] = [],
    options: MountOptions = {},
  ): Promise<DaemonMount> {
    const { mountpoint = this.newMountpoint(), ...runOptions } = options;
    const result = await this.run(
      ['mount', '--daemon', '--json', snapshot, mountpoint, ...args],
      runOptions,
    );
    expect(result).toMatchObject({ status: 0 });
    return new DaemonMount(jsonOf(result) as unknown as DaemonReady);
  }

  /** Runs `hexz unmount`, which must succeed. */
  async unmount({ mountpoint }: { readonly mountpoint: string }): Promise<void> {
    expect(await this.run(['unmount', mountpoint])).toMatchObject({ status: 0, stderr: '' });
  }

  /** What `hexz status --json` lists. */
  async status(): Promise<readonly Record<string, unknown>[]> {
    const result = await this.run(['status', '--json']);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    return jsonOf(result).mounts as Record<string, unknown>[];
  }

  /** An empty directory to mount on. */
  newMountpoint(): string {
    return this.sandbox.newDirectory();
  }

  /** Nothing runs, nothing is mounted, nothing temporary lies about. */
  expectNothingLeft(): void {
    const { sandbox } = this;
    expect({
      processes: sandbox.processes(),
      mountpoints: sandbox.mountpoints(),
      temporaryFiles: sandbox.temporaryFiles(),
    }).toEqual({ processes: [], mountpoints: [], temporaryFiles: [] });
  }
}

/** For the top of a test file: the command in a sandbox, swept after each test, a failed one too. */
export function mounts(): Hexz {
  const hexz = new Hexz();
  beforeEach(() => hexz.begin());
  afterEach(() => hexz.finish());
  return hexz;
}

/** Whether the mount table has something at a path. */
export const isMounted = (path: string): boolean =>
  readMountTable().some(({ mountpoint }) => mountpoint === path);

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The built command, in the guest. */

const hexz = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
/** Every instruction is emulated. */
const LIMIT_MILLISECONDS = 120_000;
const POLL_MILLISECONDS = 50;

/** How a program has ended. */
export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
}

/** A directory for mounts and overlays of a test. */
export function newDirectory(): string {
  mkdirSync('/tmp/hexz', { recursive: true });
  return mkdtempSync('/tmp/hexz/');
}

export const run = (
  program: string,
  parameters: readonly string[],
  options: RunOptions = {},
): Promise<Result> => new Running(program, parameters, options).ended;

export const runHexz = (parameters: readonly string[], options: RunOptions = {}): Promise<Result> =>
  run(process.execPath, [hexz, ...parameters], options);

/** What `hexz status` says. */
export async function statusOf(): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await runHexz(['status', '--json']);
  return (JSON.parse(stdout) as { mounts: Record<string, unknown>[] }).mounts;
}

/** Devices that are attached. */
export const attachedDevices = (): readonly string[] =>
  readdirSync('/sys/block').filter(
    (name) => name.startsWith('nbd') && existsSync(`/sys/block/${name}/pid`),
  );

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MILLISECONDS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come`);
    await sleep(POLL_MILLISECONDS);
  }
}

/** A program that goes on until it ends by itself or is told to. */
export class Running {
  readonly ended: Promise<Result>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;

  constructor(program: string, parameters: readonly string[], { env, uid }: RunOptions = {}) {
    const child = spawn(program, parameters, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    this.#child = child;
    child.stdout.on('data', (text: Buffer) => {
      this.stdout += text;
    });
    child.stderr.on('data', (text: Buffer) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => {
        resolve({ status, stdout: this.stdout, stderr: this.stderr });
      });
    });
    this.ended.catch(() => {});
  }

  /** What it runs at the moment. */
  get command(): string {
    return readFileSync(`/proc/${this.#child.pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** A mount that `hexz mount --nbd` serves in the foreground. */
export class DeviceMount extends Running {
  readonly mountpoint: string;

  /** Resolves when it is ready. */
  static async start(snapshot: string, options: readonly string[] = []): Promise<DeviceMount> {
    const mount = new DeviceMount(snapshot, options);
    await until(`the mount of ${snapshot}`, () => mount.stdout.includes('\n') || mount.hasEnded);
    if (mount.hasEnded) throw new Error(`it does not mount: ${mount.stderr}`);
    return mount;
  }

  constructor(snapshot: string, options: readonly string[]) {
    const mountpoint = newDirectory();
    const parameters = [hexz, 'mount', '--nbd', '--json', ...options, snapshot, mountpoint];
    super(process.execPath, parameters);
    this.mountpoint = mountpoint;
  }

  get ready(): Record<string, unknown> {
    return JSON.parse(this.stdout.split('\n')[0] ?? '') as Record<string, unknown>;
  }

  async end(signal: NodeJS.Signals): Promise<Result> {
    this.send(signal);
    return this.ended;
  }
}

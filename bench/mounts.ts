import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MILLISECONDS = 10_000;
const UNMOUNT_MILLISECONDS = 20_000;
const POLL_MILLISECONDS = 1;

interface FioCounts {
  readonly iops: number;
  /** Bytes a second. */
  readonly bw_bytes: number;
  readonly total_ios: number;
  /** Milliseconds. */
  readonly runtime: number;
}

/** Runs one job of fio on a file, which writes only where the parameters say so. */
export function fio(disk: string, ...parameters: string[]): { read: FioCounts; write: FioCounts } {
  const text = execFileSync(
    'fio',
    [
      '--name=bench',
      `--filename=${disk}`,
      '--ioengine=psync',
      '--fallocate=none',
      '--group_reporting',
      '--output-format=json',
      ...parameters,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const { jobs } = JSON.parse(text) as { jobs: { read: FioCounts; write: FioCounts }[] };
  const [job] = jobs;
  if (job === undefined) throw new Error('fio measured nothing');
  return job;
}

export const megabytesPerSecond = ({ bw_bytes }: FioCounts): number => bw_bytes / 1e6;

/** Peak resident memory of a process; undefined if it has ended. */
export function peakMebibytesOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

export interface Mount {
  /** What serves it; it has ended where the kernel does. */
  readonly process: ChildProcess;
  readonly mountpoint: string;
  readonly disk: string;
  readonly firstByteMilliseconds: number;
}

/** Mounts and unmounts again and again at one place, and sweeps everything away whatever happens. */
export class Mounts {
  readonly mountpoint: string;
  readonly #directory: string;
  #process: ChildProcess | undefined;
  #overlays = 0;

  /** @param directory becomes its own */
  constructor(directory: string) {
    this.#directory = directory;
    this.mountpoint = join(directory, 'mount');
    mkdirSync(this.mountpoint);
  }

  /** Options of a writable mount that begins with an empty overlay. */
  newOverlay(): string[] {
    return ['--rw', '--overlay', join(this.#directory, `${this.#overlays++}.overlay`)];
  }

  /**
   * Runs a command that mounts something with a file `disk` at the mountpoint, and reads the first byte of that.
   *
   * @param command goes on as long as it serves, or ends with 0 where the kernel does
   */
  async begin([program = '', ...parameters]: readonly string[]): Promise<Mount> {
    const started = performance.now();
    const child = spawn(program, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#process = child;
    const disk = join(this.mountpoint, 'disk');
    while (!this.#isMounted()) {
      if ((child.exitCode ?? 0) !== 0) throw new Error(`${program} ended with ${child.exitCode}`);
      if (performance.now() - started > READY_MILLISECONDS) throw new Error(`${program} hangs`);
      await sleep(POLL_MILLISECONDS);
    }
    const file = await open(disk);
    await file.read(Buffer.alloc(1), 0, 1, 0);
    const firstByteMilliseconds = performance.now() - started;
    await file.close();
    return { process: child, mountpoint: this.mountpoint, disk, firstByteMilliseconds };
  }

  async end({ process: child }: Mount): Promise<void> {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    const deadline = performance.now() + UNMOUNT_MILLISECONDS;
    while (!this.#unmount()) {
      if (performance.now() > deadline) throw new Error('the mount stays busy');
      await sleep(20);
    }
    await ended;
    this.#process = undefined;
  }

  sweep(): void {
    if (this.#isMounted()) this.#unmount('--lazy');
    this.#process?.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #unmount(...options: readonly string[]): boolean {
    return spawnSync('umount', [...options, this.mountpoint], { stdio: 'ignore' }).status === 0;
  }

  #isMounted(): boolean {
    return readFileSync('/proc/mounts', 'utf8').includes(` ${this.mountpoint} `);
  }
}

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pty from '@lydell/node-pty';
import { afterEach } from 'vitest';
import { cliEnvironment } from './cli.js';
import { runTool } from './tools.js';
import { until } from './until.js';

const { HEXZ_REFERENCE: program } = process.env;

/** Whether there is a Rust hexz to compare with; where there is none, that is said. */
export function hasReference(): boolean {
  if (program === undefined) {
    console.info('skipped: set HEXZ_REFERENCE to the path of the Rust hexz to compare with it');
  }
  return program !== undefined;
}

const PROMPT = 'Enter encryption password: ';

/**
 * Runs the Rust hexz to its end; answers its exit status. It takes a password from nowhere but its controlling
 * terminal, and so gets one.
 */
export async function runReference(
  cwd: string,
  args: readonly string[],
  password?: string,
): Promise<number | null> {
  if (password === undefined) {
    return spawnSync(program ?? '', args, { cwd, stdio: 'ignore' }).status;
  }
  return new Promise((resolve) =>
    onTerminal(cwd, args, password).onExit((end) => resolve(end.exitCode)),
  );
}

function onTerminal(cwd: string, args: readonly string[], password: string): pty.IPty {
  const env = cliEnvironment() as Record<string, string>;
  const terminal = pty.spawn(program ?? '', [...args], { cwd, env });
  let shown = '';
  terminal.onData((data) => {
    if (shown.includes(PROMPT)) return;
    shown += data;
    if (shown.includes(PROMPT)) terminal.write(`${password}\r`);
  });
  return terminal;
}

interface ReferenceMountOptions {
  /** Where relative paths of parents lead from. */
  readonly cwd?: string;
  readonly password?: string | undefined;
  readonly overlay?: string;
}

/** A mount of the Rust hexz. */
class ReferenceMount {
  readonly mountpoint = mkdtempSync(join(tmpdir(), 'hexz-reference-'));
  readonly #ended: Promise<unknown>;
  readonly #kill: () => void;

  private constructor(snapshot: string, { cwd = '.', password, overlay }: ReferenceMountOptions) {
    const args = ['mount', snapshot, this.mountpoint];
    if (overlay !== undefined) args.push('--rw', '--overlay', overlay);
    if (password === undefined) {
      const server: ChildProcess = spawn(program ?? '', args, { cwd, stdio: 'ignore' });
      this.#ended = once(server, 'exit');
      this.#kill = () => server.kill('SIGKILL');
    } else {
      const terminal = onTerminal(cwd, args, password);
      this.#ended = new Promise((resolve) => terminal.onExit(resolve));
      this.#kill = () => terminal.kill('SIGKILL');
    }
  }

  static async begin(snapshot: string, options: ReferenceMountOptions): Promise<ReferenceMount> {
    const mount = new ReferenceMount(snapshot, options);
    mounted.add(mount);
    const table = () => readFileSync('/proc/self/mounts', 'utf8');
    await until('the mount of the Rust hexz', () => table().includes(` ${mount.mountpoint} `));
    return mount;
  }

  pathOf(stream: 'disk' | 'memory'): string {
    return join(this.mountpoint, stream);
  }

  /** A whole stream; empty where the snapshot has none. */
  read(stream: 'disk' | 'memory'): Buffer {
    const path = this.pathOf(stream);
    return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  }

  async end(): Promise<void> {
    if (!mounted.delete(this)) return;
    if (!runTool('umount', this.mountpoint)) this.#kill();
    await this.#ended;
    runTool('umount', '--lazy', this.mountpoint);
    rmdirSync(this.mountpoint);
  }
}

const mounted = new Set<ReferenceMount>();

/** For the top of a test file: mounts with the Rust hexz; what is still mounted ends with the test. */
export function referenceMounts(): typeof ReferenceMount.begin {
  afterEach(async () => {
    for (const mount of mounted) await mount.end();
  });
  return ReferenceMount.begin;
}

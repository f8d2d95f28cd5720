import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { HexzCode } from '../../../src/index.js';
import { projectDirectory } from '../fixtures.js';
import { runTool } from '../tools.js';

export interface Settings {
  readonly mountpoint: string;
  readonly diskBytes: number;
  readonly memoryBytes?: number | undefined;
  readonly isWritable: boolean;
  readonly allowOther: boolean;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Room that the overlay has. */
  readonly freeBytes?: number;
  /** Where the disk cannot be read. */
  readonly damage?: { readonly offset: number; readonly length: number } | undefined;
}

export interface ServerOptions {
  /** Who serves, if it is not the user of the tests. */
  readonly userId?: number;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What the volume was asked since it was mounted, and what went wrong. */
interface Report {
  /** Lengths in bytes. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  readonly syncCount: number;
  readonly errors: readonly string[];
}

/** What a server is asked: for a report, or to fill its disk beneath the mount. */
export type Request = 'report' | { readonly byte: number };

/** What a server tells the process that started it. */
export type Message =
  | { readonly kind: 'mounted' | 'ended' | 'filled' }
  | { readonly kind: 'failed'; readonly code: HexzCode; readonly line: string }
  | { readonly kind: 'report'; readonly report: Report };

const PATIENCE_MILLISECONDS = 25_000;
const support = join(projectDirectory, 'test', 'support');
const loader = join(support, 'typescript.mjs');

/** A mounted volume in memory: whoever serves a mount must not use it, so another process does. */
export class MountServer {
  readonly mountpoint: string;
  readonly #child: ChildProcess;
  readonly #messages: Message[] = [];

  private constructor(child: ChildProcess, mountpoint: string) {
    this.#child = child;
    this.mountpoint = mountpoint;
    child.on('message', (message) => this.#messages.push(message as Message));
  }

  /** Starts a server; resolves when it has mounted, or has failed to. */
  static async start(settings: Settings, options: ServerOptions = {}): Promise<MountServer> {
    const child = fork(join(support, 'fuse', 'serve.ts'), [JSON.stringify(settings)], {
      execArgv: ['--import', loader],
      stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
      env: { ...process.env, ...options.env },
      ...(options.userId === undefined ? {} : { uid: options.userId, gid: options.userId }),
    });
    const server = new MountServer(child, settings.mountpoint);
    await server.#until(() => server.#messages.length > 0);
    return server;
  }

  get hasEnded(): boolean {
    return this.#messages.some(({ kind }) => kind === 'ended');
  }

  /** Why it could not mount. */
  get failure(): { readonly code: HexzCode; readonly line: string } | undefined {
    return this.#messages.find((message) => message.kind === 'failed');
  }

  async report(): Promise<Report> {
    const reports = () => this.#messages.filter((message) => message.kind === 'report');
    await this.#ask('report', () => reports().length);
    const last = reports().at(-1);
    if (last === undefined) throw new Error('no report');
    return last.report;
  }

  /** Gives all bytes of the disk one value, without the kernel noticing. */
  fillDisk(byte: number): Promise<void> {
    return this.#ask({ byte }, () => this.#messages.filter(({ kind }) => kind === 'filled').length);
  }

  /** Asks, and waits until there is an answer more. */
  async #ask(request: Request, answers: () => number): Promise<void> {
    const before = answers();
    this.#child.send(request);
    await this.#until(() => answers() > before);
  }

  /** Resolves when the server says that the mount has ended, and has ended itself. */
  async untilEnded(): Promise<number | null> {
    await this.#until(() => this.hasEnded && this.#hasExited);
    return this.#child.exitCode;
  }

  /** Sweeps mount and process away, in whatever state they are. */
  async dispose(): Promise<void> {
    if (!runTool('fusermount', '-uz', this.mountpoint)) runTool('umount', '-l', this.mountpoint);
    if (this.#hasExited) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  get #hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MILLISECONDS;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('the server of a mount does not answer');
      if (this.#hasExited && !condition()) {
        // What it said last may still be under way.
        await new Promise((resolve) => setTimeout(resolve, 100));
        if (condition()) return;
        throw new Error(`the server of a mount ended with ${this.#child.exitCode}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

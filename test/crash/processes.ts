import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { WriterReport, WriterTask } from './operations.js';

const PATIENCE_MILLISECONDS = 20_000;

/** A program and its first arguments. */
export interface Program {
  readonly path: string;
  /** Options of Node. */
  readonly options?: readonly string[];
}

/** Runs a command of hexz to its end. */
export async function runHexz(hexz: Program, parameters: readonly string[]): Promise<void> {
  const command = [...(hexz.options ?? []), hexz.path, ...parameters];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [status] = await within(once(child, 'exit'), `hexz ${parameters[0]}`);
  if (status !== 0) throw new Error(`hexz ${parameters.join(' ')} ended with ${status}`);
}

/** `hexz mount` in the foreground. */
export class EngineProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #output = '';

  constructor(hexz: Program, parameters: readonly string[]) {
    const command = [...(hexz.options ?? []), hexz.path, 'mount', ...parameters];
    this.#child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exit = once(this.#child, 'exit');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when the mount is ready. */
  async untilReady(): Promise<void> {
    const ready = new Promise<void>((resolve) => {
      const look = () => this.#output.includes('ready:') && resolve();
      this.#child.stdout?.on('data', look);
      look();
    });
    const early = this.#exit.then(() => {
      throw new Error(`the engine ended before it was ready: ${this.#output}`);
    });
    await within(Promise.race([ready, early]), 'the engine to be ready');
  }

  /** Fails if it reported an error: those who use the mount see only an errno, which the kernel makes too. */
  expectNoComplaint(): void {
    const lines = this.#output.split('\n').filter((line) => line !== '');
    const complaint = lines.find((line) => !/^(ready:|hexz: warning:)/.test(line));
    if (complaint !== undefined) throw new Error(`the engine complained: ${complaint}`);
  }

  /** Resolves when it has ended by itself, and well. */
  async untilEnded(): Promise<void> {
    await within(this.#exit, 'the engine to end');
    if (this.#child.exitCode !== 0) throw new Error(`the engine failed: ${this.#output}`);
  }

  /** Resolves when it is gone and nothing of it is open any more. */
  async kill(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL');
    await within(this.#exit, 'the engine to die');
  }
}

/** A process that writes to mounts; one for many rounds. */
export class WriterProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(writer: Program) {
    this.#child = fork(writer.path, { execArgv: [...(writer.options ?? [])] });
    this.#exit = once(this.#child, 'exit');
  }

  async write(task: WriterTask): Promise<WriterReport> {
    this.#child.send(task);
    const report = once(this.#child, 'message').then(([message]) => message as WriterReport);
    const early = this.#exit.then(() => {
      throw new Error('the writer ended');
    });
    return within(Promise.race([report, early]), 'the writer to see the end of the mount');
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`waited in vain for ${what}`)),
      PATIENCE_MILLISECONDS,
    );
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

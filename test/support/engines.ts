import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, vi } from 'vitest';
import { ControlClient } from '../../src/engine/control/client.js';
import type { ServeOptions } from '../../src/engine/process/settings.js';
import { type ReachableEngine, startEngine } from '../../src/engine/process/start.js';
import { mounts } from './mounts.js';
import { within } from './until.js';

type Hexz = ReturnType<typeof mounts>;

/** Engines and their watchers, in a sandbox that every test has for itself. */
class Engines {
  readonly hexz: Hexz;
  readonly #watchers: RawWatcher[] = [];
  readonly #clients: ControlClient[] = [];

  constructor(hexz: Hexz) {
    this.hexz = hexz;
  }

  /** Starts one that ends with this process, or with the lease that somebody takes. */
  start(options: ServeOptions): Promise<ReachableEngine> {
    return within('an engine', startEngine(options));
  }

  async connect({ socketPath }: Pick<ReachableEngine, 'socketPath'>): Promise<ControlClient> {
    const client = await within('a greeting', ControlClient.connect(socketPath));
    this.#clients.push(client);
    return client;
  }

  /** Starts one and takes its lease. */
  async leased(
    options: ServeOptions,
    kind: 'bound' | 'terminal' = 'bound',
  ): Promise<{ engine: ReachableEngine; client: ControlClient }> {
    const engine = await this.start(options);
    const client = await this.connect(engine);
    await client.request('lease', { kind });
    return { engine, client };
  }

  /** A watcher that says what it likes. */
  async raw({ socketPath }: Pick<ReachableEngine, 'socketPath'>): Promise<RawWatcher> {
    const watcher = new RawWatcher(socketPath);
    this.#watchers.push(watcher);
    await watcher.next();
    return watcher;
  }

  async finish(): Promise<void> {
    for (const watcher of this.#watchers.splice(0)) watcher.cut();
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
  }
}

type Message = Readonly<Record<string, unknown>>;

/** A connection of which nothing is hidden. */
export class RawWatcher {
  readonly socket: Socket;
  /** Resolves when it is over. */
  readonly closed: Promise<void>;
  readonly #messages: Message[] = [];
  #partial = '';
  #wake: () => void = () => {};
  #isClosed = false;

  constructor(socketPath: string) {
    this.socket = connect(socketPath);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
    // What it does may well break the connection.
    this.socket.on('error', () => {});
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#partial + text).split('\n');
      this.#partial = lines.pop() ?? '';
      this.#messages.push(...lines.map((line) => JSON.parse(line) as Message));
      this.#wake();
    });
  }

  /** Sends lines: texts as they are, all else as JSON. */
  send(...lines: readonly unknown[]): void {
    const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
    this.socket.write(`${texts.join('\n')}\n`);
  }

  /** The next message, undefined at the end. */
  next(): Promise<Message | undefined> {
    return within(
      'a message',
      (async () => {
        for (;;) {
          const message = this.#messages.shift();
          if (message !== undefined || this.#isClosed) return message;
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      })(),
    );
  }

  /** The last message of a request, or of those that no request belongs to. */
  async answer(id?: number): Promise<Message> {
    for (;;) {
      const message = await this.next();
      if (message === undefined) throw new Error('the connection has ended without an answer');
      if (message.id === id && ('result' in message || 'error' in message)) return message;
    }
  }

  /** Ends it without a word. */
  cut(): void {
    this.socket.destroy();
  }
}

/** For the top of a test file: engines are gone after each test, whatever happened to it. */
export function engines(): Engines {
  const hexz = mounts();
  const all = new Engines(hexz);
  beforeEach(() => {
    for (const [name, value] of Object.entries(hexz.sandbox.environment)) vi.stubEnv(name, value);
  });
  afterEach(async () => {
    await all.finish();
    vi.unstubAllEnvs();
  });
  return all;
}

/** Resident memory of a process in bytes. */
export function residentBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

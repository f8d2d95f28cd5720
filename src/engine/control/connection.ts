import type { Socket } from 'node:net';
import { asHexzError, HexzError, toPortable } from '../errors.js';
import { hasMoreValues, LineSplitter } from './protocol/lines.js';
import {
  MAX_REQUEST_BYTES,
  MAX_REQUEST_VALUES,
  MAX_RUNNING_REQUESTS,
  PROTOCOL_VERSION,
  request as requestSchema,
} from './protocol/messages.js';
import type { Progress } from './protocol/values.js';

/** What waits to be sent before no further request is read. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** How long a watcher has to read his last messages. */
const GOODBYE_MS = 1000;

/** What comes most often, as most programs write it: the schema would take longer than the rest of a sample. */
const TAKEN = /^\{"taken":(\d{1,15})\}$/;

/** A request that was understood and runs. */
export interface RunningRequest {
  /** JSON text of the result; throws HexzError. */
  readonly result: Promise<string>;
  taken(): void;
  cancel(): void;
}

/** Where a request's words go. */
export interface RequestOutput {
  /** @param json text of an array */
  items(json: string): void;
  progress(progress: Progress): void;
}

/** What understands requests. */
export interface RequestHandler {
  /** @throws HexzError USAGE for methods and parameters that do not exist */
  run(
    method: string,
    params: unknown,
    output: RequestOutput,
    connection: Connection,
  ): RunningRequest;
  /** The connection has ended; its requests were cancelled. */
  ended(connection: Connection): void;
}

/**
 * One watcher's connection, as the engine sees it.
 *
 * Invariant: a request is in `#running` from the moment it is read until its last message is written. When it is cancelled,
 * nothing but that last message follows. One that is too
 * many is refused; while too much waits to be sent nothing further is read: whoever floods, or does not listen, waits for
 * himself. A line that is no request ends the connection, because nobody can know what was meant behind it.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #handler: RequestHandler;
  readonly #lines = new LineSplitter(MAX_REQUEST_BYTES);
  readonly #running = new Map<number, Pick<RunningRequest, 'taken' | 'cancel'>>();
  /** Lines that were read together with one that had to wait. */
  readonly #unread: string[] = [];
  #isEnded = false;

  constructor(socket: Socket, handler: RequestHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('drain', () => this.#goOn());
    // A watcher that dies is nothing to tell anybody.
    socket.on('error', () => this.end());
    socket.on('end', () => this.end());
    socket.on('close', () => this.end());
    this.#write({ hexz: 'control', version: PROTOCOL_VERSION, pid: process.pid });
  }

  /** Cancels what runs, and closes. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const running of this.#running.values()) running.cancel();
    this.#running.clear();
    this.#unread.length = 0;
    this.#handler.ended(this);
    this.#socket.destroySoon();
    const timer = setTimeout(() => this.#socket.destroy(), GOODBYE_MS);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #receive(chunk: Buffer): void {
    if (this.#isEnded) return;
    try {
      for (const line of this.#lines.take(chunk)) this.#unread.push(line);
    } catch (error) {
      this.#refuse(asHexzError(error));
      return;
    }
    this.#goOn();
  }

  #goOn(): void {
    while (!this.#isEnded && this.#mayGoOn) {
      const line = this.#unread.shift();
      if (line === undefined) {
        this.#socket.resume();
        return;
      }
      this.#take(line);
    }
    if (!this.#isEnded) this.#socket.pause();
  }

  get #mayGoOn(): boolean {
    return this.#socket.writableLength < MAX_UNSENT_BYTES;
  }

  #take(line: string): void {
    const taken = TAKEN.exec(line);
    if (taken !== null) {
      this.#running.get(Number(taken[1]))?.taken();
      return;
    }
    if (hasMoreValues(line, MAX_REQUEST_VALUES)) {
      this.#refuse(new HexzError('LIMIT', `a message has more than ${MAX_REQUEST_VALUES} values`));
      return;
    }
    const parsed = requestSchema.safeParse(parseJson(line));
    if (!parsed.success) {
      this.#refuse(new HexzError('PROTOCOL', 'a line is no request'));
      return;
    }
    const message = parsed.data;
    if ('cancel' in message) this.#running.get(message.cancel)?.cancel();
    else if ('taken' in message) this.#running.get(message.taken)?.taken();
    else if (this.#running.has(message.id)) {
      this.#refuse(new HexzError('PROTOCOL', `request ${message.id} is running already`));
    } else this.#run(message.id, message.method, message.params);
  }

  #run(id: number, method: string, params: unknown): void {
    let isHeard = true;
    const output: RequestOutput = {
      items: (json) => {
        if (isHeard) this.#writeLine(`{"id":${id},"items":${json}}`);
      },
      progress: (progress) => {
        // Nobody who does not read is told how far it is.
        if (isHeard && this.#mayGoOn) this.#write({ id, progress });
      },
    };
    const finish = (line: string): void => {
      isHeard = false;
      this.#running.delete(id);
      this.#writeLine(line);
    };
    try {
      if (this.#running.size >= MAX_RUNNING_REQUESTS) {
        throw new HexzError('LIMIT', `${MAX_RUNNING_REQUESTS} requests are running already`);
      }
      const running = this.#handler.run(method, params, output, this);
      this.#running.set(id, {
        taken: () => running.taken(),
        cancel() {
          isHeard = false;
          running.cancel();
        },
      });
      running.result.then(
        (json) => finish(`{"id":${id},"result":${json}}`),
        (error) => finish(errorLine(id, error)),
      );
    } catch (error) {
      this.#writeLine(errorLine(id, error));
    }
  }

  #refuse(error: HexzError): void {
    this.#write({ error: toPortable(error) });
    this.end();
  }

  #write(message: unknown): void {
    this.#writeLine(JSON.stringify(message));
  }

  #writeLine(line: string): void {
    if (!this.#isEnded) this.#socket.write(`${line}\n`);
  }
}

const errorLine = (id: number, error: unknown): string =>
  JSON.stringify({ id, error: toPortable(asHexzError(error)) });

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

import { connect, type Socket } from 'node:net';
import { asHexzError, errorTable, type HexzCode, HexzError } from '../errors.js';
import { describeSystemError } from '../systemErrors.js';
import { LineSplitter } from './protocol/lines.js';
import {
  type Greeting,
  greeting,
  PROTOCOL_VERSION,
  type Reply,
  reply,
} from './protocol/messages.js';
import type { GivenParams, Item, MethodName, Result } from './protocol/methods.js';
import type { Progress } from './protocol/values.js';

/** Answers of an engine may be long; one without an end is not waited for. */
const MAX_REPLY_BYTES = 256 * 1024 * 1024;
const GREETING_LIMIT_MS = 10_000;

export interface RequestOptions {
  /** Cancels the request, which then throws CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A request that is running at the engine. */
interface Running {
  items(batch: readonly unknown[]): void;
  progress(progress: Progress): void;
  settle(outcome: { readonly result: unknown } | { readonly error: HexzError }): void;
}

/**
 * A watcher's end of the control protocol (docs/control-protocol.md).
 *
 *   state    begins with                    requests
 *   open     `connect` resolves             run
 *   closed   `close`, or the engine's end   all that run and all that come throw ENGINE_GONE
 *
 * Invariant: a request is in `#running` from the moment it is sent until its last message. It is typed by the
 * method table; what an engine answers is taken to be of that type, because it is of our own user and says first
 * which version it speaks.
 */
export class ControlClient {
  /** The process of the engine. */
  readonly pid: number;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #running = new Map<number, Running>();
  #nextId = 1;
  #end: HexzError | undefined;

  /**
   * @throws HexzError ENGINE_GONE when nobody answers there, PROTOCOL for a peer that speaks otherwise
   */
  static connect(socketPath: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(socketPath);
      const lines = new LineSplitter(MAX_REPLY_BYTES);
      let client: ControlClient | undefined;
      const fail = (error: HexzError): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
        if (client !== undefined) client.#finish(error);
      };
      const timer = setTimeout(
        () => fail(gone(socketPath, 'it does not answer')),
        GREETING_LIMIT_MS,
      );
      socket.on('error', (error) => fail(gone(socketPath, describeSystemError(error))));
      socket.on('close', () => fail(gone(socketPath, 'the connection has ended')));
      socket.on('data', (chunk) => {
        try {
          for (const line of lines.take(chunk)) {
            if (client !== undefined) {
              client.#receive(line);
              continue;
            }
            client = new ControlClient(socket, parseGreeting(line));
            clearTimeout(timer);
            resolve(client);
          }
        } catch (error) {
          fail(asHexzError(error));
        }
      });
    });
  }

  private constructor(socket: Socket, { pid }: Greeting) {
    this.pid = pid;
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** Whether the engine is still there. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /**
   * Asks for something that is answered at once, or with progress.
   *
   * @throws HexzError with which the engine answered; ENGINE_GONE; CANCELLED
   */
  request<Name extends MethodName>(
    method: Name,
    params: GivenParams<Name>,
    options: RequestOptions = {},
  ): Promise<Result<Name>> {
    return this.stream(method, params, options).onlyResult();
  }

  /** Asks for something that yields items. They have to be taken: while too many wait, the engine does. */
  stream<Name extends MethodName>(
    method: Name,
    params: GivenParams<Name>,
    options: RequestOptions = {},
  ): ControlStream<Item<Name>, Result<Name>> {
    const id = this.#nextId++;
    const { signal, onProgress } = options;
    const stream = new ControlStream<Item<Name>, Result<Name>>({
      taken: () => this.#send({ taken: id }),
      cancel: () => this.#send({ cancel: id }),
    });
    const cancel = (): void => stream.cancel();
    this.#running.set(id, {
      items: (batch) => stream.push(batch as Item<Name>[]),
      progress: (progress) => onProgress?.(progress),
      settle: (outcome) => {
        this.#running.delete(id);
        signal?.removeEventListener('abort', cancel);
        if ('error' in outcome) stream.fail(outcome.error);
        else stream.finish(outcome.result as Result<Name>);
      },
    });
    if (this.#end !== undefined) {
      this.#running.get(id)?.settle({ error: this.#end });
      return stream;
    }
    this.#send({ id, method, params });
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    return stream;
  }

  /** Ends the connection; what still runs throws ENGINE_GONE. */
  async close(): Promise<void> {
    this.#finish(gone(undefined, 'the connection was closed'));
    // Not when everything was sent: an engine that does not read any more must not keep us.
    this.#socket.destroy();
    await this.closed;
  }

  /** Lets the process end although the connection is open. */
  unref(): void {
    this.#socket.unref();
  }

  #send(message: Record<string, unknown>): void {
    if (this.#end === undefined) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  #receive(line: string): void {
    const message = parseReply(line);
    if (message.id === undefined) {
      if ('error' in message) throw errorOf(message.error);
      return;
    }
    const running = this.#running.get(message.id);
    if (running === undefined) return;
    if ('items' in message) running.items(message.items);
    else if ('progress' in message) running.progress(message.progress);
    else if ('error' in message) running.settle({ error: errorOf(message.error) });
    else running.settle({ result: message.result });
  }

  #finish(error: HexzError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    for (const running of [...this.#running.values()]) running.settle({ error });
  }
}

/**
 * The items of one request, in batches as they come, and its result.
 *
 * State: batches that came and were not taken; at most as many as the engine sends ahead.
 */
export class ControlStream<Item, Result> implements AsyncIterable<Item> {
  /** @throws HexzError with which the request ended; CANCELLED */
  readonly result: Promise<Result>;
  readonly #engine: { readonly taken: () => void; readonly cancel: () => void };
  readonly #batches: (readonly Item[])[] = [];
  #resolve: (result: Result) => void = () => {};
  #reject: (error: HexzError) => void = () => {};
  #isOver = false;
  #isUnwanted = false;
  #wake: () => void = () => {};

  /** @internal */
  constructor(engine: { readonly taken: () => void; readonly cancel: () => void }) {
    this.#engine = engine;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who only takes items meets the error there.
    this.result.catch(() => {});
  }

  /** Ends the request early; `result` then throws CANCELLED. */
  cancel(): void {
    if (!this.#isOver) this.#engine.cancel();
  }

  /** The result, for those who do not want the items. */
  onlyResult(): Promise<Result> {
    this.#isUnwanted = true;
    return this.result;
  }

  /** Yields batches in order; leaving early cancels the request. */
  async *batches(): AsyncGenerator<readonly Item[], void> {
    try {
      for (;;) {
        const batch = this.#batches.shift();
        if (batch !== undefined) {
          yield batch;
          this.#engine.taken();
        } else if (this.#isOver) {
          await this.result;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.cancel();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void> {
    for await (const batch of this.batches()) yield* batch;
  }

  /** @internal */
  push(batch: readonly Item[]): void {
    if (this.#isUnwanted) this.#engine.taken();
    else this.#batches.push(batch);
    this.#wake();
  }

  /** @internal */
  finish(result: Result): void {
    this.#isOver = true;
    this.#resolve(result);
    this.#wake();
  }

  /** @internal */
  fail(error: HexzError): void {
    this.#isOver = true;
    this.#reject(error);
    this.#wake();
  }
}

const gone = (socketPath: string | undefined, why: string): HexzError =>
  new HexzError('ENGINE_GONE', `the engine cannot be reached: ${why}`, {
    location: { file: socketPath },
  });

function parseGreeting(line: string): Greeting {
  const parsed = greeting.safeParse(parseJson(line));
  if (!parsed.success) {
    throw new HexzError('PROTOCOL', 'what answers at the socket is no engine of hexz');
  }
  if (parsed.data.version !== PROTOCOL_VERSION) {
    throw new HexzError(
      'PROTOCOL',
      `the engine speaks version ${parsed.data.version} of the control protocol, this hexz version ${PROTOCOL_VERSION}`,
      { hint: 'use the hexz that started it' },
    );
  }
  return parsed.data;
}

function parseReply(line: string): Reply {
  const message = parseJson(line);
  if (isItems(message)) return message;
  const parsed = reply.safeParse(message);
  if (parsed.success) return parsed.data;
  throw new HexzError('PROTOCOL', 'the engine answered something that is no message');
}

/** What comes most often, without the schema: that takes longer than all the rest. */
const isItems = (message: unknown): message is Extract<Reply, { items: unknown }> =>
  typeof message === 'object' &&
  message !== null &&
  'items' in message &&
  Array.isArray(message.items) &&
  'id' in message &&
  Number.isSafeInteger(message.id);

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** An error as the engine has told it. */
export function errorOf({ code, message, hint, location }: PortableErrorMessage): HexzError {
  // An engine of another version may know codes that we do not.
  const known = Object.hasOwn(errorTable, code) ? (code as HexzCode) : 'INTERNAL';
  return new HexzError(known, message, { hint, location: location ?? {} });
}

type PortableErrorMessage = Extract<Reply, { error: unknown }>['error'];

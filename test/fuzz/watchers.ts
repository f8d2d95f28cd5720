import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Reply, reply } from '../../src/engine/control/protocol/messages.js';
import { within } from '../support/until.js';
import type { Move } from './requests.js';

/** What a stalled connection is still sent before it is cut. */
const STALLED_MOVES = 50;
/** Behind so many requests the next one waits until they were read. */
const REQUESTS_AHEAD = 10;
const SENTINEL = 1_000_000;

/**
 * One of the fuzzed watchers. Whatever it says, what it hears has to be a message of the protocol, and no error that
 * is a bug; a connection that was ended is followed by another.
 */
export class FuzzedWatcher {
  readonly #socketPath: string;
  readonly #onBug: (what: string) => void;
  #socket: Socket | undefined;
  #stalledMoves: number | undefined;
  /** Of the connection that there is. */
  #closed: Promise<void> = Promise.resolve();
  #requests = 0;
  #onSentinel: () => void = () => {};
  connections = 0;
  replies = 0;

  constructor(socketPath: string, onBug: (what: string) => void) {
    this.#socketPath = socketPath;
    this.#onBug = onBug;
  }

  async do(move: Move): Promise<void> {
    await this.#say(move);
    // What is sent behind something that ends the connection is never read.
    if (move.kind !== 'line' || ++this.#requests % REQUESTS_AHEAD === 0) await this.#awaitReading();
  }

  async #say(move: Move): Promise<void> {
    const socket = this.#socket ?? (await this.#connect());
    if (this.#stalledMoves !== undefined && this.#stalledMoves++ > STALLED_MOVES) socket.destroy();
    switch (move.kind) {
      case 'line':
      case 'spoilt':
        return this.#write(socket, `${move.text}\n`);
      case 'damage':
        return this.#write(socket, damaged(move));
      case 'bytes':
        return this.#write(socket, Buffer.concat([move.bytes, Buffer.of(0x0a)]));
      case 'flood':
        return this.#write(socket, `${move.text}\n`.repeat(move.times));
      case 'long':
        return this.#write(
          socket,
          `{"id":1,"method":"state","params":${move.unit.repeat(move.bytes / move.unit.length)}\n`,
        );
      case 'cut':
        socket.write(move.text);
        if (move.isPolite) socket.end();
        else socket.destroy();
        this.#forget(socket);
        return undefined;
      case 'stall':
        this.#stalledMoves ??= 0;
        socket.pause();
        return undefined;
    }
  }

  end(): void {
    this.#socket?.destroy();
  }

  async #awaitReading(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || this.#stalledMoves !== undefined) return;
    const read = new Promise<void>((resolve) => {
      this.#onSentinel = resolve;
    });
    socket.write(`{"id":${SENTINEL},"method":"state"}\n`);
    await within('an answer', Promise.race([read, this.#closed]));
  }

  async #connect(): Promise<Socket> {
    const socket = connect(this.#socketPath);
    this.#socket = socket;
    this.#stalledMoves = undefined;
    this.connections++;
    socket.on('error', () => {});
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    void this.#closed.then(() => this.#forget(socket));
    let partial = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (partial + text).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) this.#check(line);
    });
    await Promise.race([once(socket, 'connect'), this.#closed]);
    return socket;
  }

  #forget(socket: Socket): void {
    if (this.#socket === socket) this.#socket = undefined;
  }

  async #write(socket: Socket, text: string | Buffer): Promise<void> {
    if (socket.destroyed || socket.write(text) || this.#stalledMoves !== undefined) return;
    await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), this.#closed]);
  }

  #check(line: string): void {
    this.replies++;
    if (line.startsWith(`{"id":${SENTINEL},`)) this.#onSentinel();
    if (line.startsWith('{"hexz":"control"')) return;
    const parsed = reply.safeParse(JSON.parse(line));
    if (!parsed.success) this.#onBug(`no reply: ${line.slice(0, 300)}`);
    else if (isBug(parsed.data)) {
      this.#onBug(line.slice(0, 300));
    }
  }
}

function damaged({ text, changes }: Extract<Move, { kind: 'damage' }>): Buffer {
  const bytes = Buffer.from(`${text}\n`);
  for (const [share, value] of changes) {
    bytes[Math.floor((share / 1_000_000) * bytes.length)] = value;
  }
  return bytes;
}

const isBug = (message: Reply): boolean => 'error' in message && message.error.code === 'INTERNAL';

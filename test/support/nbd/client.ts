import { once } from 'node:events';
import { connect, type NetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { within } from '../until.js';

/** Numbers of the protocol, written down a second time: a typing error in the first is to be found. */
export const OPTION = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listContexts: 9,
  setContexts: 10,
} as const;

export const REPLY = {
  ack: 1,
  server: 2,
  info: 3,
  context: 4,
  unsupported: 0x8000_0001,
  policy: 0x8000_0002,
  invalid: 0x8000_0003,
  tlsRequired: 0x8000_0005,
  unknown: 0x8000_0006,
  tooBig: 0x8000_0009,
} as const;

export const COMMAND = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const FLAG = { fua: 1, noHole: 2, dontFragment: 4, requestOne: 8, fastZero: 16 } as const;

export const ERROR = { permission: 1, io: 5, invalid: 22, noSpace: 28, unsupported: 95 } as const;

export interface OptionReply {
  readonly type: number;
  readonly payload: Buffer;
}

interface Chunk {
  readonly type: number;
  readonly isLast: boolean;
  readonly payload: Buffer;
}

/** What a request was answered with. */
export interface Answer {
  readonly error: number;
  readonly chunks: readonly Chunk[];
  /** Of a read: the bytes, also those that were told as a hole. */
  readonly data: Buffer;
  /** Bytes that came as holes. */
  readonly holeBytes: number;
}

interface RequestFields {
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly length?: number;
  readonly payload?: Buffer;
  readonly magic?: number;
  readonly cookie?: bigint;
}

/** An NBD client of which nothing is hidden: it says what it is told to, and checks what it hears. */
export class NbdClient {
  socket: Duplex;
  isStructured = false;
  exportLength = 0;
  transmissionFlags = 0;
  #received = Buffer.alloc(0);
  #isOver = false;
  #wake: () => void = () => {};
  #lastCookie = 0n;

  /** Connects without a word. */
  static async connect(where: NetConnectOpts): Promise<NbdClient> {
    const socket = connect({ ...where, allowHalfOpen: true } as NetConnectOpts);
    await within('a connection', once(socket, 'connect'));
    return new NbdClient(socket);
  }

  /** Connects and gets through the handshake. */
  static async open(
    where: NetConnectOpts,
    options: { name?: string; isStructured?: boolean; contexts?: readonly string[] } = {},
  ): Promise<NbdClient> {
    const client = await NbdClient.connect(where);
    await client.greet();
    await client.choose(options);
    return client;
  }

  constructor(socket: Duplex) {
    this.socket = socket;
    this.#listen();
  }

  #listen(): void {
    const { socket } = this;
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    const end = () => {
      if (socket !== this.socket) return;
      this.#isOver = true;
      this.#wake();
    };
    socket
      .on('error', () => {})
      .on('end', end)
      .on('close', end);
  }

  /** Goes on over another stream, such as TLS. */
  continueOver(socket: Duplex): void {
    this.socket.removeAllListeners('data');
    this.socket = socket;
    this.#isOver = false;
    this.#listen();
  }

  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The next bytes; fails when the server has ended the connection before. */
  async receive(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      if (this.#isOver) throw new Error('the server has ended the connection');
      await within(
        `${length} bytes from the server`,
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
      );
    }
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  /** Waits until the server has ended the connection; answers what it said until then. */
  async end(): Promise<Buffer> {
    while (!this.#isOver) {
      await within(
        'the end of the connection',
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
      );
    }
    return this.#received;
  }

  close(): void {
    this.socket.destroy();
  }

  /** First words of both sides. */
  async greet(flags = 3): Promise<number> {
    const greeting = await this.receive(18);
    if (greeting.toString('latin1', 0, 16) !== 'NBDMAGICIHAVEOPT') throw new Error('no NBD server');
    this.send(uint32(flags));
    return greeting.readUInt16BE(16);
  }

  sendOption(option: number, data: Buffer = Buffer.alloc(0), length = data.length): void {
    this.send(Buffer.from('IHAVEOPT'), uint32(option), uint32(length), data);
  }

  /** Asks for an option, and answers everything that is said to it. */
  async ask(option: number, data: Buffer = Buffer.alloc(0)): Promise<readonly OptionReply[]> {
    this.sendOption(option, data);
    return this.replies(option);
  }

  async replies(option: number): Promise<readonly OptionReply[]> {
    const replies: OptionReply[] = [];
    for (;;) {
      const header = await this.receive(20);
      if (header.readBigUInt64BE(0) !== 0x3e889045565a9n) throw new Error('no reply to an option');
      if (header.readUInt32BE(8) !== option) throw new Error('the reply to another option');
      const type = header.readUInt32BE(12);
      replies.push({ type, payload: await this.receive(header.readUInt32BE(16)) });
      if (type === REPLY.ack || type >= 0x8000_0000) return replies;
    }
  }

  /** The types of everything that is said to an option. */
  async typesOf(option: number, data: Buffer = Buffer.alloc(0)): Promise<readonly number[]> {
    return (await this.ask(option, data)).map(({ type }) => type);
  }

  /** Agrees on replies and contexts, and chooses an export. */
  async choose({
    name = '',
    isStructured = true,
    contexts = [],
  }: {
    name?: string;
    isStructured?: boolean;
    contexts?: readonly string[];
  } = {}): Promise<void> {
    if (isStructured) {
      await this.ask(OPTION.structuredReply);
      this.isStructured = true;
    }
    if (contexts.length > 0) await this.ask(OPTION.setContexts, contextQuery(name, contexts));
    const replies = await this.ask(OPTION.go, choice(name));
    const main = replies.find(
      ({ type, payload }) => type === REPLY.info && payload.readUInt16BE() === 0,
    );
    if (main === undefined) throw new Error(`no export: ${replies.at(-1)?.payload}`);
    this.exportLength = Number(main.payload.readBigUInt64BE(2));
    this.transmissionFlags = main.payload.readUInt16BE(10);
  }

  /** Sends a request, and answers what it is called. */
  sendRequest(
    command: number,
    { flags = 0, offset = 0, length, payload = Buffer.alloc(0), ...rest }: RequestFields = {},
  ): bigint {
    const { magic = 0x25609513, cookie = ++this.#lastCookie } = rest;
    const header = Buffer.alloc(28);
    header.writeUInt32BE(magic, 0);
    header.writeUInt16BE(flags, 4);
    header.writeUInt16BE(command, 6);
    header.writeBigUInt64BE(cookie, 8);
    header.writeBigUInt64BE(BigInt(offset), 16);
    header.writeUInt32BE(length ?? payload.length, 24);
    this.send(header, payload);
    return cookie;
  }

  /** Sends a request and takes its answer; others must not be under way. */
  async do(command: number, fields: RequestFields = {}): Promise<Answer> {
    const cookie = this.sendRequest(command, fields);
    const { name, answer } = await this.answer((error) =>
      command === COMMAND.read && error === 0 ? (fields.length ?? 0) : 0,
    );
    if (name !== cookie) throw new Error('the answer to another request');
    if (command !== COMMAND.read || answer.error !== 0 || !this.isStructured) return answer;
    return {
      ...answer,
      ...assemble(answer.chunks, Number(fields.offset ?? 0), fields.length ?? 0),
    };
  }

  /** The next answer, whichever request it belongs to. */
  async answer(
    simpleLength: (error: number) => number = () => 0,
  ): Promise<{ readonly name: bigint; readonly answer: Answer }> {
    const magic = (await this.receive(4)).readUInt32BE();
    if (magic === 0x67446698) {
      const rest = await this.receive(12);
      const error = rest.readUInt32BE(0);
      const data = Buffer.from(await this.receive(simpleLength(error)));
      return { name: rest.readBigUInt64BE(4), answer: { error, chunks: [], data, holeBytes: 0 } };
    }
    const chunks: Chunk[] = [];
    let name = 0n;
    let error = 0;
    for (let isFirst = true; chunks.at(-1)?.isLast !== true; isFirst = false) {
      if (!isFirst && (await this.receive(4)).readUInt32BE() !== 0x668e33ef) throw shifted();
      if (isFirst && magic !== 0x668e33ef) throw shifted();
      const header = await this.receive(16);
      const type = header.readUInt16BE(2);
      name = header.readBigUInt64BE(4);
      const payload = Buffer.from(await this.receive(header.readUInt32BE(12)));
      chunks.push({ type, isLast: (header.readUInt16BE(0) & 1) !== 0, payload });
      if ((type & 0x8000) !== 0) error = payload.readUInt32BE();
    }
    return { name, answer: { error, chunks, data: Buffer.alloc(0), holeBytes: 0 } };
  }

  read(offset: number, length: number, flags = 0): Promise<Answer> {
    return this.do(COMMAND.read, { offset, length, flags });
  }

  write(offset: number, payload: Buffer, flags = 0): Promise<Answer> {
    return this.do(COMMAND.write, { offset, payload, flags });
  }

  /** The runs of the first context that was agreed on, or of another one. */
  async status(
    offset: number,
    length: number,
    { flags = 0, contextIndex = 0 } = {},
  ): Promise<readonly (readonly [length: number, state: number])[]> {
    const { chunks } = await this.do(COMMAND.blockStatus, { offset, length, flags });
    const payload = chunks[contextIndex]?.payload ?? Buffer.alloc(0);
    const runs: [number, number][] = [];
    for (let at = 4; at < payload.length; at += 8) {
      runs.push([payload.readUInt32BE(at), payload.readUInt32BE(at + 4)]);
    }
    return runs;
  }
}

const shifted = (): Error => new Error('what comes is no reply: the stream is shifted');

/** Puts the chunks of a read together; every byte must come once. */
function assemble(
  chunks: readonly Chunk[],
  offset: number,
  length: number,
): { data: Buffer; holeBytes: number } {
  const data = Buffer.alloc(length, 0xa5);
  let covered = 0;
  let holeBytes = 0;
  for (const { type, payload } of chunks) {
    if (type === 0) continue;
    const start = Number(payload.readBigUInt64BE(0)) - offset;
    const size = type === 2 ? payload.readUInt32BE(8) : payload.length - 8;
    if (start < 0 || start + size > length || size === 0) throw new Error('a chunk outside');
    if (type === 2) {
      data.fill(0, start, start + size);
      holeBytes += size;
    } else {
      payload.copy(data, start, 8);
    }
    covered += size;
  }
  if (covered !== length) throw new Error(`${covered} of ${length} bytes`);
  return { data, holeBytes };
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

const text = (value: string): Buffer =>
  Buffer.concat([uint32(Buffer.byteLength(value)), Buffer.from(value)]);

/** Data of INFO and GO. */
export const choice = (name: string, wanted: readonly number[] = []): Buffer =>
  Buffer.concat([text(name), uint16(wanted.length), ...wanted.map(uint16)]);

/** Data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export const contextQuery = (name: string, queries: readonly string[]): Buffer =>
  Buffer.concat([text(name), uint32(queries.length), ...queries.map(text)]);

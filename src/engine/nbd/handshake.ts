import { findContexts, type MetaContext } from './contexts.js';
import type { NbdExport } from './export.js';
import type { Exports } from './exports.js';
import {
  MAX_OPTION_BYTES,
  MAX_OPTIONS,
  MAX_REQUEST_BYTES,
  MAX_SKIPPED_OPTION_BYTES,
} from './limits.js';
import {
  decodeContextQuery,
  decodeExportChoice,
  decodeName,
  decodeOptionHeader,
  encodeOffset,
  encodeOptionReply,
  MalformedOption,
} from './messages.js';
import {
  CLIENT_FLAGS_BYTES,
  EXPORT_NAME_PADDING_BYTES,
  handshakeFlags,
  informationTypes,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  optionReplies,
  options,
  SERVER_MAGIC,
  transmissionFlags,
} from './protocol.js';
import type { Task, Wire } from './wire.js';

/** What client and server have agreed on. */
export interface Agreement {
  readonly exported: NbdExport;
  /** Size that the client was told. */
  readonly length: number;
  readonly hasStructuredReplies: boolean;
  readonly contexts: readonly MetaContext[];
}

/** How a handshake ends; undefined where the client is let go. */
export type HandshakeEnd =
  | { readonly kind: 'agreed'; readonly agreement: Agreement }
  | { readonly kind: 'tls' };

export type TlsMode = 'none' | 'wanted' | 'established';

/**
 * The handshake of one client: what he asks for is answered until he has chosen an export.
 *
 *   TLS          STARTTLS     other options   EXPORT_NAME
 *   none         refused      answered        answered
 *   wanted       begins       refused         ends the connection
 *   established  refused      answered        answered
 *
 * State: what was agreed on so far. With TLS everything begins anew, so nothing that was said in the clear counts.
 * An option that is wrong is answered with an error. Only who breaks the form of the protocol is let go.
 */
export class Handshake {
  readonly #wire: Wire;
  readonly #exports: Exports;
  readonly #tls: TlsMode;
  #hasFixedNewstyle = true;
  #hasNoZeroes = false;
  #hasStructuredReplies = false;
  #contexts: readonly MetaContext[] = [];
  #contextsOf: NbdExport | undefined;

  constructor(wire: Wire, exports: Exports, tls: TlsMode) {
    this.#wire = wire;
    this.#exports = exports;
    this.#tls = tls;
  }

  /** The first words of both sides, which are not said again behind TLS. */
  *greet(): Task<boolean> {
    const greeting = Buffer.alloc(18);
    SERVER_MAGIC.copy(greeting, 0);
    OPTION_MAGIC.copy(greeting, 8);
    greeting.writeUInt16BE(handshakeFlags.FIXED_NEWSTYLE | handshakeFlags.NO_ZEROES, 16);
    yield* this.#send(greeting);
    if (!(yield* this.#wire.waitFor(CLIENT_FLAGS_BYTES))) return false;
    const flags = this.#wire.take(CLIENT_FLAGS_BYTES).readUInt32BE();
    this.#hasFixedNewstyle = (flags & handshakeFlags.FIXED_NEWSTYLE) !== 0;
    this.#hasNoZeroes = (flags & handshakeFlags.NO_ZEROES) !== 0;
    return flags <= (handshakeFlags.FIXED_NEWSTYLE | handshakeFlags.NO_ZEROES);
  }

  /** The same client behind TLS. */
  continueAs(wire: Wire): Handshake {
    const next = new Handshake(wire, this.#exports, 'established');
    next.#hasNoZeroes = this.#hasNoZeroes;
    return next;
  }

  *haggle(): Task<HandshakeEnd | undefined> {
    const wire = this.#wire;
    for (let count = 0; count < MAX_OPTIONS; count++) {
      if (!(yield* wire.waitFor(OPTION_HEADER_BYTES))) return undefined;
      const header = decodeOptionHeader(wire.take(OPTION_HEADER_BYTES));
      if (header === undefined || header.length > MAX_SKIPPED_OPTION_BYTES) return undefined;
      const { option, length } = header;
      if (length > MAX_OPTION_BYTES) {
        if (!(yield* wire.skip(length))) return undefined;
        if (option === options.EXPORT_NAME) return undefined;
        yield* this.#refuse(
          option,
          'ERR_TOO_BIG',
          `options are limited to ${MAX_OPTION_BYTES} bytes`,
        );
        continue;
      }
      if (!(yield* wire.waitFor(length))) return undefined;
      // A copy: answering may wait.
      const data = Buffer.from(wire.take(length));
      const end = yield* this.#answer(option, data);
      if (end === 'let go') return undefined;
      if (end !== 'goes on') return end;
    }
    return undefined;
  }

  *#answer(option: number, data: Buffer): Task<HandshakeEnd | 'goes on' | 'let go'> {
    if (option === options.ABORT) {
      yield* this.#reply(option, optionReplies.ACK);
      return 'let go';
    }
    if (this.#tls === 'wanted' && option !== options.STARTTLS) {
      if (option === options.EXPORT_NAME || !this.#hasFixedNewstyle) return 'let go';
      yield* this.#refuse(option, 'ERR_TLS_REQD', 'this server wants TLS');
      return 'goes on';
    }
    try {
      switch (option) {
        case options.EXPORT_NAME:
          return yield* this.#answerExportName(data);
        case options.GO:
        case options.INFO:
          return yield* this.#answerChoice(option, data);
        case options.LIST:
          return yield* this.#answerList(data);
        case options.STARTTLS:
          return yield* this.#answerStartTls(data);
        case options.STRUCTURED_REPLY:
          checkEmpty(data);
          this.#hasStructuredReplies = true;
          return yield* this.#acknowledge(option);
        case options.LIST_META_CONTEXT:
        case options.SET_META_CONTEXT:
          return yield* this.#answerContexts(option, data);
        default:
          return yield* this.#refuse(option, 'ERR_UNSUP', 'this server does not know the option');
      }
    } catch (error) {
      if (!(error instanceof MalformedOption)) throw error;
      if (option === options.EXPORT_NAME) return 'let go';
      return yield* this.#refuse(
        option,
        'ERR_INVALID',
        'the data of the option is not what it should be',
      );
    }
  }

  *#answerExportName(data: Buffer): Task<HandshakeEnd | 'let go'> {
    const exported = this.#exports.find(decodeName(data));
    if (exported === undefined) return 'let go';
    const agreement = this.#agreeOn(exported);
    const answer = Buffer.alloc(10 + (this.#hasNoZeroes ? 0 : EXPORT_NAME_PADDING_BYTES));
    encodeOffset(answer, agreement.length, 0);
    answer.writeUInt16BE(this.#transmissionFlagsOf(exported), 8);
    yield* this.#send(answer);
    return { kind: 'agreed', agreement };
  }

  *#answerChoice(option: number, data: Buffer): Task<HandshakeEnd | 'goes on'> {
    const { name, wanted } = decodeExportChoice(data);
    const exported = this.#exports.find(name);
    if (exported === undefined) return yield* this.#refuseUnknown(option);
    const agreement = this.#agreeOn(exported);
    const main = Buffer.alloc(12);
    main.writeUInt16BE(informationTypes.EXPORT, 0);
    encodeOffset(main, agreement.length, 2);
    main.writeUInt16BE(this.#transmissionFlagsOf(exported), 10);
    yield* this.#reply(option, optionReplies.INFO, main);
    const blocks = Buffer.alloc(14);
    blocks.writeUInt16BE(informationTypes.BLOCK_SIZE, 0);
    blocks.writeUInt32BE(1, 2);
    blocks.writeUInt32BE(exported.preferredBytes, 6);
    blocks.writeUInt32BE(MAX_REQUEST_BYTES, 10);
    yield* this.#reply(option, optionReplies.INFO, blocks);
    for (const [type, text] of [
      [informationTypes.NAME, exported.name],
      [informationTypes.DESCRIPTION, exported.description],
    ] as const) {
      if (!wanted.includes(type)) continue;
      const typeBytes = Buffer.alloc(2);
      typeBytes.writeUInt16BE(type);
      yield* this.#reply(option, optionReplies.INFO, Buffer.concat([typeBytes, Buffer.from(text)]));
    }
    yield* this.#reply(option, optionReplies.ACK);
    return option === options.GO ? { kind: 'agreed', agreement } : 'goes on';
  }

  *#answerList(data: Buffer): Task<'goes on'> {
    checkEmpty(data);
    for (const { name, description } of this.#exports) {
      const nameBytes = Buffer.from(name);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(nameBytes.length);
      const payload = Buffer.concat([length, nameBytes, Buffer.from(description)]);
      yield* this.#reply(options.LIST, optionReplies.SERVER, payload);
    }
    return yield* this.#acknowledge(options.LIST);
  }

  *#answerStartTls(data: Buffer): Task<HandshakeEnd | 'goes on' | 'let go'> {
    const option = options.STARTTLS;
    checkEmpty(data);
    if (this.#tls === 'none') {
      return yield* this.#refuse(option, 'ERR_POLICY', 'this server was started without TLS');
    }
    if (this.#tls === 'established') {
      return yield* this.#refuse(option, 'ERR_INVALID', 'TLS has begun already');
    }
    // What came already came in the clear: somebody may have put it there.
    if (!this.#hasFixedNewstyle || this.#wire.buffered > 0) return 'let go';
    yield* this.#reply(option, optionReplies.ACK);
    return { kind: 'tls' };
  }

  *#answerContexts(option: number, data: Buffer): Task<'goes on'> {
    const { name, queries } = decodeContextQuery(data);
    if (!this.#hasStructuredReplies) {
      return yield* this.#refuse(option, 'ERR_INVALID', 'contexts need structured replies');
    }
    const exported = this.#exports.find(name);
    if (option === options.SET_META_CONTEXT) this.#contexts = [];
    if (exported === undefined) return yield* this.#refuseUnknown(option);
    const found = findContexts(exported, queries, option === options.LIST_META_CONTEXT);
    if (option === options.SET_META_CONTEXT) {
      this.#contexts = found;
      this.#contextsOf = exported;
    }
    for (const context of found) {
      const id = Buffer.alloc(4);
      id.writeUInt32BE(option === options.SET_META_CONTEXT ? context.id : 0);
      const payload = Buffer.concat([id, Buffer.from(context.name)]);
      yield* this.#reply(option, optionReplies.META_CONTEXT, payload);
    }
    return yield* this.#acknowledge(option);
  }

  #agreeOn(exported: NbdExport): Agreement {
    return {
      exported,
      length: exported.length,
      hasStructuredReplies: this.#hasStructuredReplies,
      contexts: this.#contextsOf === exported ? this.#contexts : [],
    };
  }

  #transmissionFlagsOf(exported: NbdExport): number {
    const flags = transmissionFlags;
    return (
      flags.HAS_FLAGS |
      flags.SEND_FLUSH |
      flags.SEND_FUA |
      // All clients of a volume see one disk: what one has written, the next one reads.
      flags.CAN_MULTI_CONN |
      flags.SEND_CACHE |
      (this.#hasStructuredReplies ? flags.SEND_DF : 0) |
      (exported.isReadOnly
        ? flags.READ_ONLY
        : flags.SEND_TRIM | flags.SEND_WRITE_ZEROES | flags.SEND_FAST_ZERO)
    );
  }

  *#acknowledge(option: number): Task<'goes on'> {
    yield* this.#reply(option, optionReplies.ACK);
    return 'goes on';
  }

  #refuseUnknown(option: number): Task<'goes on'> {
    return this.#refuse(option, 'ERR_UNKNOWN', 'there is no export of that name');
  }

  *#refuse(
    option: number,
    error: Extract<keyof typeof optionReplies, `ERR_${string}`>,
    text: string,
  ): Task<'goes on'> {
    yield* this.#reply(option, optionReplies[error], Buffer.from(text));
    return 'goes on';
  }

  #reply(option: number, type: number, payload = NOTHING): Task<void> {
    return this.#send(encodeOptionReply(option, type, payload));
  }

  *#send(bytes: Buffer): Task<void> {
    const room = yield* this.#wire.reserve(bytes.length);
    bytes.copy(room);
    this.#wire.commit(bytes.length);
  }
}

const NOTHING = Buffer.alloc(0);

function checkEmpty(data: Buffer): void {
  if (data.length > 0) throw new MalformedOption();
}

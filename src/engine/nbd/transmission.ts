import { type Failure, warmUp, writePayload, writeZeroes } from './changeRequests.js';
import type { NbdExport } from './export.js';
import type { Agreement } from './handshake.js';
import { MAX_PENDING_SYNCS, MAX_REQUEST_BYTES } from './limits.js';
import { type Cookie, decodeRequest, newRequest, type Request } from './messages.js';
import { commandFlags, commands, REQUEST_BYTES } from './protocol.js';
import { answerRead } from './readRequests.js';
import { Replies } from './replies.js';
import { NbdRequestError } from './requestError.js';
import { answerBlockStatus } from './statusRequests.js';
import { ALWAYS, type Condition, type Task, type Wire } from './wire.js';

/** Flags that a client may set. FUA is taken everywhere, as some clients set it everywhere. */
const allowedFlags: Readonly<Record<number, number>> = {
  [commands.READ]: commandFlags.DF,
  [commands.WRITE]: 0,
  [commands.FLUSH]: 0,
  [commands.TRIM]: 0,
  [commands.CACHE]: 0,
  [commands.WRITE_ZEROES]: commandFlags.NO_HOLE | commandFlags.FAST_ZERO,
  [commands.BLOCK_STATUS]: commandFlags.REQ_ONE,
};

/** A request that waits until what was written is on the disk. */
interface Synced {
  readonly cookie: Cookie;
  readonly failure: Failure | undefined;
}

/**
 * The requests of one client, answered in the order in which they come; only what waits for the disk (FLUSH, FUA)
 * is answered when that is done, and does not hold up what comes behind it.
 *
 * Whatever a request asks for, it is answered, and the next one is found behind it. Only bytes that are no request end the
 * connection, because nobody knows where the next one would begin.
 *
 * State: `#pending` syncs that were begun, `#synced` those that are over and not yet answered.
 */
export class Transmission {
  readonly #wire: Wire;
  readonly #exported: NbdExport;
  readonly #agreement: Agreement;
  readonly #replies: Replies;
  readonly #wake: () => void;
  readonly #request = newRequest();
  #pending = 0;
  readonly #synced: Synced[] = [];

  constructor(wire: Wire, agreement: Agreement, wake: () => void) {
    this.#wire = wire;
    this.#agreement = agreement;
    this.#exported = agreement.exported;
    this.#replies = new Replies(wire, agreement.hasStructuredReplies);
    this.#wake = wake;
  }

  /** Answers requests until the client has said that it was the last one, or says nothing more. */
  *run(): Task<void> {
    const wire = this.#wire;
    const request = this.#request;
    for (;;) {
      while (wire.buffered < REQUEST_BYTES || this.#synced.length > 0) {
        yield* this.#answerSynced();
        if (wire.buffered >= REQUEST_BYTES) break;
        if (wire.isEnded) return yield* this.#finish();
        wire.flush();
        yield this.#hasWork;
      }
      if (!decodeRequest(wire.take(REQUEST_BYTES), request)) return yield* this.#finish();
      if (request.command === commands.DISC) return yield* this.#finish();
      if (!(yield* this.#answer(request))) return yield* this.#finish();
      if (wire.isTurnOver) yield ALWAYS;
    }
  }

  readonly #hasWork: Condition = () =>
    this.#wire.buffered >= REQUEST_BYTES || this.#wire.isEnded || this.#synced.length > 0;

  /** What was begun is ended, and answered. */
  *#finish(): Task<void> {
    while (this.#pending > 0) {
      yield () => this.#synced.length > 0;
      yield* this.#answerSynced();
    }
    yield* this.#wire.drain();
  }

  /** @returns whether the connection can go on */
  *#answer(request: Request): Task<boolean> {
    const refusal = this.#refusalOf(request);
    if (request.command === commands.WRITE) return yield* this.#answerWrite(request, refusal);
    if (refusal !== undefined) {
      yield* this.#replies.failure(request, refusal);
      return true;
    }
    if (request.command === commands.READ) {
      return yield* answerRead(this.#replies, this.#exported, request);
    }
    try {
      yield* this.#do(request);
    } catch (error) {
      yield* this.#replies.failure(request, error);
    }
    return true;
  }

  /** Why a request is not even tried. */
  #refusalOf({ command, flags, offset, length }: Request): NbdRequestError | undefined {
    const allowed = allowedFlags[command];
    if (allowed === undefined) return invalid('this server does not know the command');
    if (this.#exported.isReadOnly && changes.has(command)) {
      return new NbdRequestError('EPERM', 'the export is read-only');
    }
    if ((flags & ~(allowed | commandFlags.FUA)) !== 0)
      return invalid('a flag that does not belong there');
    if ((flags & commandFlags.DF) !== 0 && !this.#replies.areStructured) {
      return invalid('a flag for structured replies, which were not agreed on');
    }
    if (command === commands.BLOCK_STATUS) {
      if (this.#agreement.contexts.length === 0) return invalid('no context was agreed on');
      if (length === 0) return invalid('a range without bytes');
    }
    if ((command === commands.READ || command === commands.WRITE) && length > MAX_REQUEST_BYTES) {
      return invalid(`requests are limited to ${MAX_REQUEST_BYTES} bytes`);
    }
    if (command !== commands.FLUSH && offset + length > this.#agreement.length) {
      const name = changes.has(command) ? 'ENOSPC' : 'EINVAL';
      return new NbdRequestError(name, 'the range is not within the export');
    }
    return undefined;
  }

  *#answerWrite(request: Request, refusal: NbdRequestError | undefined): Task<boolean> {
    const failure = yield* writePayload(this.#wire, this.#exported, request, refusal);
    if (failure === 'cut') return false;
    if (failure !== undefined) yield* this.#replies.failure(request, failure.error);
    else yield* this.#confirm(request);
    return true;
  }

  *#do(request: Request): Task<void> {
    const { command } = request;
    if (command === commands.BLOCK_STATUS) {
      return yield* answerBlockStatus(
        this.#replies,
        this.#exported,
        this.#agreement.contexts,
        request,
      );
    }
    if (command === commands.CACHE) yield* warmUp(this.#wire, this.#exported, request);
    if (command === commands.WRITE_ZEROES) yield* writeZeroes(this.#wire, this.#exported, request);
    // A hint that it need not follow: what is trimmed stays as it is. Zeros would take room in the overlay.
    if (command === commands.FLUSH) return yield* this.#answerWhenSynced(request);
    yield* this.#confirm(request);
  }

  /** Says that it is done: at once, or when it is on the disk. */
  *#confirm(request: Request): Task<void> {
    const isForced = (request.flags & commandFlags.FUA) !== 0 && changes.has(request.command);
    if (isForced) yield* this.#answerWhenSynced(request);
    else yield* this.#replies.done(request);
  }

  *#answerWhenSynced({ cookieHigh, cookieLow }: Request): Task<void> {
    if (this.#exported.isReadOnly) return yield* this.#replies.done({ cookieHigh, cookieLow });
    if (this.#pending >= MAX_PENDING_SYNCS) {
      yield () => this.#synced.length > 0;
      yield* this.#answerSynced();
    }
    this.#pending++;
    const cookie = { cookieHigh, cookieLow };
    const add = (failure: Synced['failure']): void => {
      this.#synced.push({ cookie, failure });
      this.#wake();
    };
    this.#exported.sync().then(
      () => add(undefined),
      (error: unknown) => add({ error }),
    );
  }

  *#answerSynced(): Task<void> {
    for (let each = this.#synced.shift(); each !== undefined; each = this.#synced.shift()) {
      this.#pending--;
      if (each.failure === undefined) yield* this.#replies.done(each.cookie);
      else yield* this.#replies.failure(each.cookie, each.failure.error);
    }
  }
}

const changes: ReadonlySet<number> = new Set([
  commands.WRITE,
  commands.TRIM,
  commands.WRITE_ZEROES,
]);

const invalid = (text: string): NbdRequestError => new NbdRequestError('EINVAL', text);

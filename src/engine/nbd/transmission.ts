import { type Failure, warmUp, writePayload, writeZeroes } from './changeRequests.js';
import type { NbdExport } from './export.js';
import type { Agreement } from './handshake.js';
import { MAX_PENDING_ANSWERS, MAX_REQUEST_BYTES } from './limits.js';
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

/** A request of which it is known by now how it ended. */
interface Settled {
  readonly cookie: Cookie;
  readonly failure: Failure | undefined;
}

/**
 * The requests of one client, answered in the order in which they come; only what waits for the disk (FLUSH, FUA), or
 * for others to see it, is answered when that is done, and does not hold up what comes behind it.
 *
 * Whatever a request asks for, it is answered, and the next one is found behind it. Only bytes that are no request end the
 * connection, because nobody knows where the next one would begin.
 *
 * State: `#pending` requests wait for something, and `#settled` are those of them that can be answered.
 */
export class Transmission {
  readonly #wire: Wire;
  readonly #exported: NbdExport;
  readonly #agreement: Agreement;
  readonly #replies: Replies;
  readonly #wake: () => void;
  readonly #request = newRequest();
  #pending = 0;
  readonly #settled: Settled[] = [];

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
      while (wire.buffered < REQUEST_BYTES || this.#settled.length > 0) {
        yield* this.#answerSettled();
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
    this.#wire.buffered >= REQUEST_BYTES || this.#wire.isEnded || this.#settled.length > 0;

  /** What was begun is ended, and answered. */
  *#finish(): Task<void> {
    while (this.#pending > 0) {
      yield () => this.#settled.length > 0;
      yield* this.#answerSettled();
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
    if (command === commands.FLUSH && !this.#exported.isReadOnly) {
      return yield* this.#answerAfter(request, this.#exported.sync());
    }
    // TRIM is a hint that need not be followed: what is trimmed stays. Zeros would take room in the overlay.
    yield* this.#confirm(request);
  }

  /** Says that it is done: at once, or when everybody sees it, and it is on the disk if it has to be. */
  *#confirm(request: Request): Task<void> {
    const isChange = changes.has(request.command);
    const isForced = isChange && (request.flags & commandFlags.FUA) !== 0;
    const shown = isChange ? this.#exported.show() : undefined;
    if (isForced || shown !== undefined) {
      yield* this.#answerAfter(request, Promise.all([shown, isForced && this.#exported.sync()]));
    } else {
      yield* this.#replies.done(request);
    }
  }

  *#answerAfter({ cookieHigh, cookieLow }: Request, work: Promise<unknown>): Task<void> {
    const cookie = { cookieHigh, cookieLow };
    this.#pending++;
    const add = (failure: Failure | undefined): void => {
      this.#settled.push({ cookie, failure });
      this.#wake();
    };
    work.then(
      () => add(undefined),
      (error: unknown) => add({ error }),
    );
    if (this.#pending < MAX_PENDING_ANSWERS) return;
    this.#wire.flush();
    yield () => this.#settled.length > 0;
    yield* this.#answerSettled();
  }

  *#answerSettled(): Task<void> {
    for (let each = this.#settled.shift(); each !== undefined; each = this.#settled.shift()) {
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

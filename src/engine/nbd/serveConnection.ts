import type { Duplex } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import type { NbdExport } from './export.js';
import type { Exports } from './exports.js';
import { Handshake } from './handshake.js';
import { HANDSHAKE_LIMIT_MILLISECONDS } from './limits.js';
import { beginTls } from './tls.js';
import { Transmission } from './transmission.js';
import { addTurn, type Runnable } from './turns.js';
import { type Condition, type Task, Wire } from './wire.js';

export interface ConnectionOptions {
  /** With it, clients have to use TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Default: HANDSHAKE_LIMIT_MILLISECONDS. */
  readonly handshakeLimitMilliseconds?: number;
  /** Told of what nobody foresaw. The connection is ended then. */
  readonly onBug: (error: unknown) => void;
}

/** A client that is served. */
export interface ServedConnection {
  /** The export that the client has chosen; undefined during the handshake. */
  readonly exported: NbdExport | undefined;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  /** Takes no more from the client, and ends when what was begun is over. */
  end(): void;
  /** Ends it at once. */
  destroy(): void;
}

/**
 * Serves one client on this thread until the connection ends.
 *
 * @param socket whose other half stays open when one ends (`allowHalfOpen`)
 */
export function serveConnection(
  socket: Duplex,
  exports: Exports,
  options: ConnectionOptions,
): ServedConnection {
  return new Connection(socket, exports, options);
}

/**
 * One client: a task that is gone on with whenever what it waits for is there, by turns with those of others.
 *
 *   state      begins with                      ends with
 *   handshake  the connection                   an export that was chosen; the time limit ends the connection
 *   serving    that                             a DISC, the end of what the client says, `end`
 *   closed     the end of the task, an error of the socket, `destroy`
 */
class Connection implements Runnable, ServedConnection {
  exported: NbdExport | undefined;
  readonly closed: Promise<void>;
  readonly #exports: Exports;
  readonly #options: ConnectionOptions;
  readonly #task: Task<void>;
  readonly #timer: NodeJS.Timeout;
  #socket: Duplex;
  #wire: Wire;
  #condition: Condition | undefined;
  #isReady = false;
  #isOver = false;
  #setClosed: () => void = () => {};

  constructor(socket: Duplex, exports: Exports, options: ConnectionOptions) {
    this.#exports = exports;
    this.#options = options;
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#setClosed = resolve;
    });
    this.#timer = setTimeout(
      () => this.destroy(),
      options.handshakeLimitMilliseconds ?? HANDSHAKE_LIMIT_MILLISECONDS,
    );
    this.#watch(socket);
    this.#wire = new Wire(socket, this.#wake);
    this.#task = this.#serve();
    this.#isReady = true;
    addTurn(this);
  }

  run(end: number): void {
    this.#isReady = false;
    // What it waited for may have been there for a moment only.
    if (this.#isOver || this.#condition?.() === false) return;
    this.#wire.turnEnd = end;
    try {
      for (;;) {
        const step = this.#task.next();
        if (step.done === true) {
          this.#finish();
          return;
        }
        this.#condition = step.value;
        if (performance.now() >= end) break;
        if (!step.value()) return;
      }
    } catch (error) {
      this.#options.onBug(error);
      this.destroy();
      return;
    }
    this.#wake();
  }

  end(): void {
    this.#wire.endInput();
    this.#wake();
  }

  destroy(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
  }

  readonly #wake = (): void => {
    if (this.#isReady || this.#isOver || this.#condition?.() === false) return;
    this.#isReady = true;
    addTurn(this);
  };

  #watch(socket: Duplex): void {
    // Clients vanish; that is their right.
    socket.on('error', () => {});
    socket.once('close', () => {
      if (socket !== this.#socket) return;
      this.destroy();
      this.#setClosed();
    });
  }

  #finish(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    // One that does not end his side is not waited for.
    this.#socket.end(() => this.#socket.destroy());
  }

  *#serve(): Task<void> {
    const { tls } = this.#options;
    let handshake = new Handshake(this.#wire, this.#exports, tls === undefined ? 'none' : 'wanted');
    if (!(yield* handshake.greet())) return;
    let end = yield* handshake.haggle();
    if (end?.kind === 'tls' && tls !== undefined) {
      const secured = yield* this.#secure(tls);
      if (!secured) return;
      handshake = handshake.continueAs(this.#wire);
      end = yield* handshake.haggle();
    }
    if (end?.kind !== 'agreed') return yield* this.#wire.drain();
    clearTimeout(this.#timer);
    this.exported = end.agreement.exported;
    yield* new Transmission(this.#wire, end.agreement, this.#wake).run();
  }

  *#secure(tls: TlsOptions): Task<boolean> {
    const wire = this.#wire;
    // Before the client is told to begin: what he says then is for TLS.
    wire.detach();
    yield* wire.drain();
    try {
      const secured = yield* wire.wait(beginTls(this.#socket, tls));
      this.#watch(secured);
      this.#socket = secured;
      this.#wire = new Wire(secured, this.#wake);
      this.#wire.turnEnd = wire.turnEnd;
      return true;
    } catch {
      this.destroy();
      return false;
    }
  }
}

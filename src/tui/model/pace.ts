import { asHexzError } from '../../engine/errors.js';

/** After an error, whatever it was about is not asked for with every paint. */
const FAILED_REST_MS = 2000;

/**
 * How often something is asked of the engine that could be asked all the time: after each answer it rests for a
 * multiple of what the answer took, so that whatever is watched costs a share of it and no more.
 *
 *   state    begins with                     ends
 *   ready    the start                       `begin`
 *   resting  `end`                           after a while, or with `hurry`
 *   blocked  `failed`                        after a while; never, where there is no engine any more
 */
export class Pace {
  readonly #factor: number;
  readonly #leastMs: number;
  #beganAt = 0;
  #restsUntil = 0;
  #blockedUntil = 0;

  constructor(options: { readonly factor: number; readonly leastMs: number }) {
    this.#factor = options.factor;
    this.#leastMs = options.leastMs;
  }

  get isBlocked(): boolean {
    return performance.now() < this.#blockedUntil;
  }

  /** How long it still rests, in milliseconds; 0 when it does not. */
  get restMs(): number {
    return Math.max(0, Math.max(this.#restsUntil, this.#blockedUntil) - performance.now());
  }

  begin(): void {
    this.#beganAt = performance.now();
  }

  end(): void {
    const now = performance.now();
    this.#restsUntil = now + Math.max(this.#leastMs, this.#factor * (now - this.#beganAt));
  }

  failed(error: unknown): void {
    const isGone = asHexzError(error).code === 'ENGINE_GONE';
    this.#blockedUntil = isGone ? Number.POSITIVE_INFINITY : performance.now() + FAILED_REST_MS;
  }

  /** A person waits: what is next is not held back. */
  hurry(): void {
    this.#restsUntil = 0;
  }
}

import { formatBytes } from './output.js';

const REDRAW_MS = 100;
const BAR_CELLS = 24;

/** Draws how far a long command is on standard error, if that is a terminal. */
export class ProgressBar {
  #label: string;
  #totalBytes: number | undefined;
  #startedAt = performance.now();
  readonly #visible = process.stderr.isTTY === true;
  #drawnAt = 0;

  /** @param totalBytes undefined where nobody knows yet */
  constructor(label: string, totalBytes: number | undefined) {
    this.#label = label;
    this.#totalBytes = totalBytes;
  }

  /** Begins again, with the next part of the work. */
  restart(label: string, totalBytes: number | undefined): void {
    this.#label = label;
    this.#totalBytes = totalBytes;
    this.#startedAt = performance.now();
  }

  update(doneBytes: number): void {
    const now = performance.now();
    if (!this.#visible || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const seconds = (now - this.#startedAt) / 1000;
    const rate = doneBytes / Math.max(seconds, 0.001);
    const width = Math.max(1, (process.stderr.columns ?? 80) - 1);
    const fields = [`${formatBytes(rate)}/s`, this.#leftText(doneBytes, rate)];
    let text = this.#doneText(doneBytes);
    for (const field of fields) {
      if (field === '' || text.length + 2 + field.length > width) break;
      text = `${text}  ${field}`;
    }
    process.stderr.write(`\r\u001b[K${text.slice(0, width)}`);
  }

  #doneText(doneBytes: number): string {
    const total = this.#totalBytes;
    if (total === undefined) return `${this.#label} ${formatBytes(doneBytes)}`;
    const share = total === 0 ? 1 : Math.min(1, doneBytes / total);
    const bar = '█'.repeat(Math.round(share * BAR_CELLS)).padEnd(BAR_CELLS, '·');
    return `${this.#label} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %`;
  }

  #leftText(doneBytes: number, rate: number): string {
    if (this.#totalBytes === undefined) return '';
    return `${rate > 0 ? Math.ceil((this.#totalBytes - doneBytes) / rate) : 0} s left`;
  }

  /** Removes the bar, so that results stand where it was. */
  clear(): void {
    if (this.#visible && this.#drawnAt > 0) process.stderr.write('\r\u001b[K');
    this.#drawnAt = 0;
  }
}

const YIELD_MS = 50;

/**
 * Drives a synchronous generator to its end, and lets signals and timers through a few times a second.
 *
 * @param onStep answers a promise where the next step has to wait
 * @returns what the generator returns
 */
export async function drive<Step, Result>(
  steps: Generator<Step, Result>,
  onStep: (step: Step) => Promise<void> | undefined | void,
): Promise<Result> {
  let yieldedAt = performance.now();
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
    const pending = onStep(next.value);
    if (pending !== undefined) await pending;
    if (performance.now() - yieldedAt > YIELD_MS) {
      await new Promise((resolve) => setImmediate(resolve));
      yieldedAt = performance.now();
    }
  }
}

/**
 * Lets everything that is ready on a thread have its turn, one after the other, and never so long that what else the
 * thread does has to wait.
 */

/** How long it goes on before the thread may do something else. */
const ROUND_MILLISECONDS = 8;
/** How long one of several goes on. */
const TURN_MILLISECONDS = 2;

/** Something that works until it has to wait, or its turn is over. */
export interface Runnable {
  /** @param end when it is to stop, by `performance.now` */
  run(end: number): void;
}

const ready: Runnable[] = [];
let isScheduled = false;

/** Gives it a turn behind all that are ready. */
export function addTurn(runnable: Runnable): void {
  ready.push(runnable);
  schedule();
}

function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(round);
}

function round(): void {
  isScheduled = false;
  const start = performance.now();
  let now = start;
  while (now - start < ROUND_MILLISECONDS) {
    const next = ready.shift();
    if (next === undefined) return;
    next.run(now + TURN_MILLISECONDS);
    now = performance.now();
  }
  if (ready.length > 0) schedule();
}

/*
 * Work that takes long, in a thread that others wait for. It is a generator of short steps, so that its caller decides
 * whether anything is done between them.
 */

/** What a generator yields between two steps that found nothing: whoever asks may do something else first. */
export type Pause = undefined;

/** Work whose steps take no time worth mentioning. */
export type Steps<Result> = Generator<Pause, Result, undefined>;

/** How long a thread works on before it does what waits for it. */
const SLICE_MS = 4;

/** Does all of it now. */
export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Begins now, and lets others have their turn every few milliseconds. */
export async function inSlices<Result>(steps: Steps<Result>): Promise<Result> {
  for (;;) {
    const end = performance.now() + SLICE_MS;
    do {
      const step = steps.next();
      if (step.done === true) return step.value;
    } while (performance.now() < end);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

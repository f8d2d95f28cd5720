import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MILLISECONDS = 20;
const PATIENCE_MILLISECONDS = 15_000;

/** Waits for what is bound to happen, and says what did not when it takes too long. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<void> {
  const deadline = performance.now() + patienceMilliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(POLL_MILLISECONDS);
  }
}

/** The same for a promise. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<T> {
  const timer = new AbortController();
  const limit = sleep(patienceMilliseconds, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`waited in vain: ${what}`);
  });
  // When the promise is faster, the limit is called off.
  limit.catch(() => {});
  try {
    return await Promise.race([promise, limit]);
  } finally {
    timer.abort();
  }
}

/*
 * A process that runs tests for another one, as the workers of vitest do, may outlive it while it waits for a test that
 * never ends. What connects the two tells when the other is gone.
 *
 * State: what is to be ended then. As long as there is nothing, nobody listens, for that would keep the process.
 */
const present = new Set<() => void>();

const endAll = (): void => {
  for (const end of present) end();
};

/** Calls `end` when the runner of this process is gone, until what is returned is called. */
export function whenRunnerIsGone(end: () => void): () => void {
  if (present.size === 0) process.on('disconnect', endAll);
  present.add(end);
  return () => {
    present.delete(end);
    if (present.size === 0) process.removeListener('disconnect', endAll);
  };
}

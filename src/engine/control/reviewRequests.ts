import { asHexzError, type HexzError } from '../errors.js';
import { formatPages } from '../overlay/selection.js';
import { inSlices, type Steps } from '../slices.js';
import { BatchWindow } from './batchWindow.js';
import type { Callable } from './calls.js';
import type { EngineCommands } from './commands.js';
import type { RequestOutput, RunningRequest } from './connection.js';
import type { CommitExtras } from './jobs/commit.js';
import { cancelled, type Job } from './jobs.js';
import type { Params } from './protocol/methods.js';
import type { ReviewKeeper } from './reviewKeeper.js';

const BATCH_LINES = 1024;

/** Answers `selection`, a batch of lines for each that is taken. */
export function selectionRequest(
  review: Pick<ReviewKeeper, 'committed'>,
  output: Pick<RequestOutput, 'items'>,
): RunningRequest {
  const extents = review.committed();
  const window = new BatchWindow();
  let pages = 0;
  let settle: { resolve: (json: string) => void; reject: (error: HexzError) => void };
  const result = new Promise<string>((resolve, reject) => {
    settle = { resolve, reject };
  });
  /** The next lines, fewer than wanted only at the end. */
  function* nextLines(): Steps<readonly string[]> {
    const lines: string[] = [];
    while (lines.length < BATCH_LINES) {
      const extent = extents.next();
      if (extent.done === true) break;
      if (extent.value === undefined) {
        yield;
        continue;
      }
      const { pageIndex, pageCount } = extent.value;
      lines.push(formatPages(pageIndex, pageCount));
      pages += pageCount;
    }
    return lines;
  }
  let isSending = false;
  const send = async (): Promise<void> => {
    if (isSending) return;
    isSending = true;
    try {
      while (!window.isFull && !window.isClosed) {
        const lines = await inSlices(nextLines());
        if (lines.length > 0) {
          window.sent();
          output.items(JSON.stringify(lines));
        }
        if (lines.length < BATCH_LINES) {
          window.close();
          settle.resolve(JSON.stringify({ pages }));
        }
      }
    } catch (error) {
      // Nobody else is there to meet it, and the thread would end with all its watchers.
      window.close();
      settle.reject(asHexzError(error));
    } finally {
      isSending = false;
    }
  };
  // The first batch comes behind the caller's note that the request is running.
  setImmediate(() => void send());
  return {
    result,
    taken() {
      window.taken();
      void send();
    },
    cancel() {
      window.close();
      settle.reject(cancelled());
    },
  };
}

/** What a commit needs. */
export interface CommitRequest {
  readonly method: 'commit' | 'planCommit';
  readonly params: Params<'commit'>;
  readonly engine: Callable<EngineCommands>;
  readonly review: ReviewKeeper;
  run(params: object): Job;
}

/**
 * Answers `commit` and `planCommit` by a job. For a commit, the serving thread keeps the disk of one instant until the
 * job is over; what the review takes is asked after that instant, so that it knows every page of it.
 */
export function commitRequest({
  method,
  params,
  engine,
  review,
  run,
}: CommitRequest): RunningRequest {
  let job: Job | undefined;
  let isCancelled = false;
  const runJob = async (extras: object): Promise<string> => {
    const takesAll = !params.usesReview || (await review.takesAll());
    const selected = takesAll ? undefined : await inSlices(numbersOf(review));
    if (isCancelled) throw cancelled();
    job = run({ ...params, ...extras, selected } satisfies CommitExtras);
    return job.result;
  };
  const commit = async (): Promise<string> => {
    if (method === 'planCommit') return runJob({});
    const { instant, shared } = await engine.freeze();
    try {
      return await runJob({ instant: shared });
    } finally {
      await engine.release(instant);
    }
  };
  return {
    result: commit(),
    taken: () => job?.taken(),
    cancel() {
      isCancelled = true;
      job?.cancel();
    },
  };
}

function* numbersOf(review: ReviewKeeper): Steps<Float64Array> {
  const numbers: number[] = [];
  for (const run of review.committed()) {
    if (run === undefined) yield;
    else numbers.push(run.pageIndex, run.pageCount);
  }
  return Float64Array.from(numbers);
}

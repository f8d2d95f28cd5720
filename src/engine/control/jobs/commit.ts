import { createEncoder } from '../../codec/encoder.js';
import type { SharedFrozenInstant } from '../../overlay/frozenInstant.js';
import { FrozenOverlay } from '../../overlay/frozenOverlay.js';
import { Selection } from '../../overlay/selection.js';
import { baseDiskOf } from '../../volume/volume.js';
import { commitFrozen } from '../../write/commit.js';
import { planCommit as plan } from '../../write/commitPlan.js';
import type { Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';
import type { JobOutput } from './output.js';

/** What the control thread adds to what a watcher asks for. */
export interface CommitExtras {
  /** Runs of pages that the review takes, first page and count of each; undefined for all. */
  readonly selected: Float64Array | undefined;
}

/** What a commit is made of. */
export interface InstantExtra {
  readonly instant: SharedFrozenInstant;
}

/** Answers `commit`: makes a snapshot of an instant that is kept. */
export async function commit(
  context: JobContext,
  params: Params<'commit'> & CommitExtras & InstantExtra,
  output: JobOutput<never>,
): Promise<Result<'commit'>> {
  const { snapshot } = context;
  const frozen = new FrozenOverlay(params.instant, baseDiskOf(snapshot));
  try {
    return await commitFrozen(snapshot, frozen, {
      ...optionsOf(context, params),
      output: params.output,
      force: params.force,
      message: params.message,
      verifiesAll: params.verifiesAll,
      signal: output.signal,
      onProgress: (progress) => output.progress(progress),
    });
  } finally {
    frozen.close();
  }
}

/** Answers `planCommit`, of the disk as it is now. */
export async function planCommit(
  context: JobContext,
  params: Params<'planCommit'> & CommitExtras,
  output: JobOutput<never>,
): Promise<Result<'planCommit'>> {
  const encoder = await createEncoder(params.compression, 'fastest');
  const steps = plan(context.snapshot, context.overlay, optionsOf(context, params), encoder);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    output.progress(step.value);
  }
}

function optionsOf(context: JobContext, params: Params<'commit'> & CommitExtras) {
  const { compression, thin, dropsMemory, password, blockBytes, selected } = params;
  const { passwords, parentDirectories } = context;
  return {
    compression,
    thin,
    dropsMemory,
    passwords,
    parentDirectories,
    selection: selected === undefined ? undefined : Selection.ofPages(runsOf(selected)),
    encryption: password === undefined ? undefined : { password },
    ...(blockBytes === undefined ? {} : { blockBytes }),
  };
}

function* runsOf(numbers: Float64Array) {
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    yield { pageIndex: numbers[at] as number, pageCount: numbers[at + 1] as number };
  }
}

import type { NbdExport, StateRun } from './export.js';
import { allocationStates, DIRTY_STATE } from './protocol.js';

/** Something that a client can be told of each stretch of an export. */
export interface MetaContext {
  readonly id: number;
  readonly name: string;
  /** Whether an export knows it. */
  isIn(exported: NbdExport): boolean;
  runAt(exported: NbdExport, offset: number, limit: number): StateRun;
  /** The number that stands for a run that has the state; 0 stands for all others. */
  readonly stateFlags: number;
}

const contexts: readonly MetaContext[] = [
  {
    id: 1,
    name: 'base:allocation',
    isIn: () => true,
    runAt: (exported, offset, limit) => exported.zeroRunAt(offset, limit),
    stateFlags: allocationStates.HOLE | allocationStates.ZERO,
  },
  {
    id: 2,
    name: 'qemu:dirty-bitmap:overlay',
    isIn: (exported) => exported.hasDirtyBitmap,
    runAt: (exported, offset, limit) => exported.dirtyRunAt(offset, limit),
    stateFlags: DIRTY_STATE,
  },
];

/**
 * The contexts that a client asks for, in our order.
 *
 * @param isListing also by the beginnings of their names, which end with a colon; and all of them without a query
 */
export function findContexts(
  exported: NbdExport,
  queries: readonly string[],
  isListing: boolean,
): readonly MetaContext[] {
  const isWanted = (name: string): boolean =>
    (isListing && queries.length === 0) ||
    queries.some(
      (query) => query === name || (isListing && query.endsWith(':') && name.startsWith(query)),
    );
  return contexts.filter((context) => context.isIn(exported) && isWanted(context.name));
}

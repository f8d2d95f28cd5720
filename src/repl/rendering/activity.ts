import type { ActivityEvent } from '../../engine/control/protocol/activity.js';
import { countOf } from './values.js';

/** When it began: hours to milliseconds, in UTC. */
export const eventTime = ({ time }: ActivityEvent): string =>
  new Date(time).toISOString().slice(11, 23);

/** The blocks that a request needed, as `6720-6721`. */
export function eventBlocks({ firstBlockIndex, blockCount }: ActivityEvent): string {
  if (firstBlockIndex === null || blockCount === 0) return '';
  return blockCount === 1
    ? `${firstBlockIndex}`
    : `${firstBlockIndex}-${firstBlockIndex + blockCount - 1}`;
}

/** How it was answered: from the cache, decoded, what turned dirty, or that it failed. */
export function eventOutcome({
  kind,
  decodedBlocks,
  decodeMicroseconds,
  newDirtyPages,
  hasFailed,
}: ActivityEvent): string {
  if (hasFailed) return 'failed';
  if (kind === 'write' || kind === 'truncate')
    return newDirtyPages === 0 ? '' : countOf(newDirtyPages, 'new page');
  if (kind !== 'read') return '';
  return decodedBlocks === 0 ? 'hit' : `decode ${Math.round(decodeMicroseconds)} us`;
}

import type { WireDifference } from '../engine/control/protocol/inspection.js';
import type { TestMount } from './testMount.js';

export type ComparedMount = Pick<TestMount, 'diff' | 'read'>;

/** What differs from the base in a stretch of the disk. */
export interface Changes {
  /** In order, those of kind `equal` left out. */
  readonly differences: readonly WireDifference[];
  /** Where the disk has not the length of its base, and that matters in the stretch. */
  readonly lengths: { readonly before: number; readonly after: number } | undefined;
}

/**
 * What differs in a stretch of the disk, to the byte: the engine compares whole pages, so those that lie in the
 * stretch only in part are looked at again.
 *
 * @param offset without it, the whole disk is meant
 */
export async function changesIn(
  mount: ComparedMount,
  offset = 0,
  length = Number.POSITIVE_INFINITY,
): Promise<Changes> {
  const isAll = offset === 0 && length === Number.POSITIVE_INFINITY;
  const { differences, tally } = await mount.diff({
    // A run of pages would have to be read again as a whole.
    granularity: isAll ? 'run' : 'page',
    offset,
    ...(Number.isFinite(length) ? { length } : {}),
  });
  const changes: WireDifference[] = [];
  for (const difference of differences) {
    const inside = await cutOut(mount, difference, offset, offset + length);
    if (inside !== undefined) changes.push(inside);
  }
  const { lengthBefore: before, lengthAfter: after } = tally;
  const isOtherLength = changes.some(({ kind }) => kind === 'grown' || kind === 'removed');
  const areKnown = before !== undefined && after !== undefined;
  return {
    differences: changes,
    lengths: isOtherLength && areKnown ? { before, after } : undefined,
  };
}

/** The part of a difference in a stretch; undefined where nothing differs in it. */
async function cutOut(
  mount: ComparedMount,
  difference: WireDifference,
  startOffset: number,
  endOffset: number,
): Promise<WireDifference | undefined> {
  const { kind, offset } = difference;
  const start = Math.max(startOffset, offset);
  const length = Math.min(endOffset, offset + difference.length) - start;
  if (kind === 'equal' || length <= 0) return undefined;
  if (kind === 'grown' || kind === 'removed') return { ...difference, offset: start, length };
  const isWhole = length === difference.length;
  const bytes = isWhole ? difference : await compare(mount, start, length);
  const isChanged = bytes.differentBytes + bytes.newBytes > 0;
  const { differentBytes, newBytes } = bytes;
  return isChanged ? { ...difference, offset: start, length, differentBytes, newBytes } : undefined;
}

async function compare(
  mount: ComparedMount,
  offset: number,
  length: number,
): Promise<Pick<WireDifference, 'differentBytes' | 'newBytes'>> {
  const now = await mount.read('disk', offset, length);
  const before = await mount.read('disk', offset, length, 'base');
  const bothBytes = Math.min(now.length, before.length);
  let differentBytes = 0;
  for (let at = 0; at < bothBytes; at++) if (now[at] !== before[at]) differentBytes++;
  return { differentBytes, newBytes: now.length - bothBytes };
}

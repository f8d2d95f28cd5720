import { HexzError, type PortableError, toPortable } from '../../errors.js';
import type { StreamName } from '../../format/types.js';
import type { OverlayView } from '../../overlay/overlayView.js';
import { pageOf, pagesIn } from '../../overlay/pages.js';
import type { Block } from '../../snapshot/fileIndex.js';
import { placesOfStored } from '../../snapshot/sharedPlaces.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import type { ListedBlock } from '../protocol/inspection.js';
import type { Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';
import type { JobProgress } from './output.js';

/** Of a block that is read again and again, and of one that is shared by thousands. */
const MAX_LAST_READS = 8;
const MAX_SHARED_PLACES = 16;

/** Answers `block`: what the index of the snapshot says, and for what is borrowed, that of the parent who has it. */
export function block(
  context: JobContext,
  { stream, offset, findsShared, checks }: Params<'block'>,
  output: JobProgress,
): Result<'block'> {
  const { snapshot } = context;
  const found = snapshot.blockAt(stream, offset);
  if (found === undefined) {
    throw new HexzError('NOT_PRESENT', `no block of the ${stream} covers offset ${offset}`, {
      location: { file: snapshot.path },
    });
  }
  const { listed, owner } = describe(context, found);
  const { storedOffset } = listed;
  const isWanted = findsShared && owner !== undefined && storedOffset !== null;
  return {
    ...listed,
    ...(isWanted ? placesOf(owner, storedOffset, output) : { sharedBy: null, sharedAt: [] }),
    lastReads: context.lastReads(stream, found.offset, found.length, MAX_LAST_READS),
    damage: checks ? damageOf(snapshot, found) : null,
  };
}

/** Answers `blocks`. */
export function blocks(
  context: JobContext,
  { stream, offset, limit }: Params<'blocks'>,
): Result<'blocks'> {
  const snapshot = context.snapshotWith(stream);
  const listed: ListedBlock[] = [];
  let next = snapshot.blockAt(stream, offset);
  while (next !== undefined && listed.length < limit) {
    listed.push(describe(context, next).listed);
    next = snapshot.blockAt(stream, next.offset + next.length);
  }
  return { blocks: listed, nextOffset: next?.offset ?? null };
}

function describe(
  context: JobContext,
  found: Block,
): { readonly listed: ListedBlock; readonly owner: Snapshot | undefined } {
  const { snapshot } = context;
  const { stream } = found;
  const origin = snapshot.originAt(stream, found.offset, found.length);
  const stored = origin.kind === 'block' ? origin.stored : undefined;
  const owner = stored && ownerOf(snapshot, stored.fileIdentity);
  const listed = {
    stream,
    blockIndex: found.blockIndex,
    offset: found.offset,
    length: found.length,
    kind: found.kind,
    file: owner?.path ?? snapshot.path,
    storedOffset: stored?.storedOffset ?? null,
    storedLength: stored?.storedLength ?? null,
    ratio: stored === undefined ? null : Number((stored.storedLength / found.length).toFixed(4)),
    compression: owner === undefined ? null : owner.header.compression,
    isEncrypted: owner?.header.encryption !== undefined,
    hash: found.hash?.toString('hex') ?? null,
    dirtyPages: stream === 'disk' && context.hasOverlay ? dirtyPagesIn(context.overlay, found) : 0,
    isCached: context.cachedBlocks.has(stream, found.offset),
  };
  return { listed, owner };
}

/** Of what is compressed, a byte takes all of the block. */
function damageOf(snapshot: Snapshot, { stream, offset }: Block): PortableError | null {
  try {
    snapshot.readInto(stream, offset, Buffer.alloc(1));
    return null;
  } catch (error) {
    if (error instanceof HexzError) return toPortable(error);
    throw error;
  }
}

function placesOf(
  owner: Snapshot,
  storedOffset: number,
  output: JobProgress,
): Pick<Result<'block'>, 'sharedBy' | 'sharedAt'> {
  const sharedAt: { stream: StreamName; blockIndex: number; offset: number }[] = [];
  let sharedBy = 0;
  for (const { places, doneBytes, totalBytes } of placesOfStored(owner.index, storedOffset)) {
    sharedBy += places.length;
    sharedAt.push(...places.slice(0, MAX_SHARED_PLACES - sharedAt.length));
    output.progress({ doneBytes, totalBytes });
  }
  return { sharedBy, sharedAt };
}

function dirtyPagesIn(overlay: OverlayView, { offset, length }: Block): number {
  let pages = 0;
  const endPage = pagesIn(offset + length);
  for (let page = pageOf(offset); page < endPage; page++) pages += Number(overlay.isDirty(page));
  return pages;
}

const ownerOf = (snapshot: Snapshot, fileIdentity: string): Snapshot | undefined =>
  snapshot.chain().find(({ index }) => index.source.identity === fileIdentity);

import { HexzError } from '../../errors.js';
import type { OverlayView } from '../../overlay/overlayView.js';
import { pageOf, pagesIn } from '../../overlay/pages.js';
import type { Block } from '../../snapshot/fileIndex.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import type { Params, Result } from '../protocol/methods.js';
import type { JobContext } from './context.js';

/** Answers `block`: what the index of the snapshot says, and for what is borrowed, that of the parent who has it. */
export function block(context: JobContext, { stream, offset }: Params<'block'>): Result<'block'> {
  const { snapshot } = context;
  const found = snapshot.blockAt(stream, offset);
  if (found === undefined) {
    throw new HexzError('NOT_PRESENT', `no block of the ${stream} covers offset ${offset}`, {
      location: { file: snapshot.path },
    });
  }
  const origin = snapshot.originAt(stream, found.offset, found.length);
  const stored = origin.kind === 'block' ? origin.stored : undefined;
  const owner = stored && ownerOf(snapshot, stored.fileIdentity);
  return {
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
    sharedBy: null,
    dirtyPages: stream === 'disk' && context.hasOverlay ? dirtyPagesIn(context.overlay, found) : 0,
  };
}

function dirtyPagesIn(overlay: OverlayView, { offset, length }: Block): number {
  let pages = 0;
  const endPage = pagesIn(offset + length);
  for (let page = pageOf(offset); page < endPage; page++) pages += Number(overlay.isDirty(page));
  return pages;
}

const ownerOf = (snapshot: Snapshot, fileIdentity: string): Snapshot | undefined =>
  snapshot.chain().find(({ index }) => index.source.identity === fileIdentity);

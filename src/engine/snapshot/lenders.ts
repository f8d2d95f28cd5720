import { blake3 } from '../codec/blake3.js';
import { HexzError } from '../errors.js';
import type { StreamName } from '../format/types.js';
import type { Block, FileIndex } from './fileIndex.js';
import type { BlockPlace } from './hashIndex.js';

/** What a snapshot is asked for when another one borrows from it. */
interface Lender {
  readonly path: string;
  readonly index: FileIndex;
  streamLength(stream: StreamName): number;
  blockAt(stream: StreamName, offset: number): Block | undefined;
}

const ZERO_HASH = Buffer.alloc(32);

/**
 * The parent that a file of generation A or A4 borrows a block from by its place, once its block is known to be the
 * one that was meant.
 *
 * @throws HexzError BAD_INDEX without a parent, PARENT_MISMATCH where both record a hash and they differ
 */
export function lenderByOffset<Parent extends Lender>(
  [parent]: readonly Parent[],
  stream: StreamName,
  start: number,
  length: number,
  hash: Buffer | undefined,
): Parent {
  if (parent === undefined) throw withoutParent();
  if (hash === undefined || holdsWhatWasMeant(parent, stream, start, length, hash)) return parent;
  throw new HexzError(
    'PARENT_MISMATCH',
    `the parent ${parent.path} holds other data here than when this snapshot was made`,
    { hint: 'give the directory of the right parent with --parent-dir' },
  );
}

/** False where the parent cannot be the one that was meant; a parent with other blocks may be it. */
function holdsWhatWasMeant(
  parent: Lender,
  stream: StreamName,
  start: number,
  length: number,
  hash: Buffer,
): boolean {
  // Whoever records a hash has seen a block here.
  if (start >= parent.streamLength(stream)) return false;
  const found = parent.blockAt(stream, start);
  if (found?.offset !== start) return true;
  // References may reach behind the end of the parent, and have the hash of its last block then.
  const isLast = start + found.length === parent.streamLength(stream);
  if (found.length !== length && !(isLast && found.length < length)) return true;
  if (found.hash !== undefined) return found.hash.equals(hash);
  return found.kind !== 'zero' || blake3(Buffer.alloc(found.length)).equals(hash);
}

/**
 * The block with a hash in the ancestors of a file of generation B.
 *
 * @throws HexzError BAD_INDEX without a parent, PARENT_BLOCK_MISSING, and what damage hides the block
 */
export function lenderByHash<Ancestor extends Lender>(
  ancestors: readonly Ancestor[],
  hash: Buffer | undefined,
  length: number,
): { owner: Ancestor; place: BlockPlace } {
  if (ancestors.length === 0) throw withoutParent();
  for (const owner of ancestors) {
    if (hash === undefined) break;
    const place = owner.index.placeOf(hash);
    if (place === undefined) continue;
    const page = owner.index.streams[place.stream].loadPage(place.pageNumber);
    if (page.logicalLengthOf(place.entry) === length) return { owner, place };
  }
  for (const { index, path } of ancestors) {
    if (index.hashDamage !== undefined) throw index.hashDamage.at({ file: path });
  }
  throw new HexzError(
    'PARENT_BLOCK_MISSING',
    `no parent holds the block ${(hash ?? ZERO_HASH).toString('hex')}`,
  );
}

/** @throws HexzError BAD_INDEX for a reference that claims stored bytes, too */
export function checkReferenceLength(storedLength: number): void {
  if (storedLength !== 0) {
    throw new HexzError('BAD_INDEX', 'a parent reference with stored bytes');
  }
}

const withoutParent = (): HexzError =>
  new HexzError('BAD_INDEX', 'a parent reference in a snapshot without parent');

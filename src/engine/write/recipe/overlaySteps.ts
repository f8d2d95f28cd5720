import { basename } from 'node:path';
import { Overlay } from '../../overlay/overlay.js';
import { MAX_DISK_BYTES } from '../../overlay/pages.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import { baseDiskOf } from '../../volume/volume.js';
import { PIECE_BYTES } from './content.js';
import type { ContentMaker } from './contentMaker.js';
import { MAX_DATA_BYTES } from './limits.js';
import type { FieldPath, Recipe } from './recipe.js';
import type { OverlaySpec, PlaceSpec, StepSpec } from './spec.js';
import { eachPiece } from './writeContent.js';

/** The overlay shall say the same whenever and wherever it was made. */
const BOOT_ID = '00000000-0000-4000-8000-000000000000';

const SEARCH_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);

interface OverlayParts {
  readonly recipe: Recipe;
  readonly spec: OverlaySpec;
  /** Of the data file. */
  readonly path: string;
  readonly base: Snapshot;
  readonly contents: ContentMaker;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes an overlay by what a mount would do: writes and truncations in their order, then closing it.
 *
 * @throws HexzError as `ContentMaker.stream`, `Overlay.open`, `write` and `close`
 */
export async function makeOverlay(parts: OverlayParts): Promise<void> {
  const { recipe, spec, path, base } = parts;
  // It records the bare name: both files are found beside each other, wherever they are.
  const disk = { ...baseDiskOf(base), path: basename(base.path) };
  const overlay = Overlay.open({ path, base: disk, access: 'write' }, { bootId: BOOT_ID });
  let writtenBytes = 0;
  try {
    for (const [index, step] of spec.steps.entries()) {
      const field = ['overlay', 'writes', index];
      writtenBytes += await takeStep(overlay, step, field, parts);
      if (writtenBytes > MAX_DATA_BYTES) {
        throw recipe.error(field, `more than ${MAX_DATA_BYTES} bytes are written`, 'LIMIT');
      }
    }
  } catch (error) {
    await overlay.remove();
    throw error;
  }
  await overlay.close();
}

/** Answers how much was written. */
async function takeStep(
  overlay: Overlay,
  step: StepSpec,
  field: FieldPath,
  { recipe, contents, signal }: OverlayParts,
): Promise<number> {
  if (step.kind === 'truncate') {
    overlay.truncate(step.length);
    return 0;
  }
  const offset = await placeOf(overlay, step.place, field, recipe, signal);
  if (step.kind === 'rewrite') {
    if (offset + step.length > overlay.length) {
      throw recipe.error([...field, 'rewrite'], `reaches behind the end, at ${overlay.length}`);
    }
    await rewrite(overlay, offset, step.length, signal);
    return step.length;
  }
  const content = await contents.generator(step.generator, field);
  if (content.length > MAX_DATA_BYTES || offset + content.length > MAX_DISK_BYTES) {
    throw recipe.error(field, 'more than an overlay can be given', 'LIMIT');
  }
  let done = 0;
  await eachPiece(content.pieces(), signal, (piece) => {
    if (typeof piece !== 'number') {
      overlay.write(offset + done, piece);
      done += piece.length;
      return;
    }
    for (const end = done + piece; done < end; done += Math.min(PIECE_BYTES, end - done)) {
      overlay.write(offset + done, ZEROS.subarray(0, end - done));
    }
  });
  return content.length;
}

async function rewrite(
  overlay: Overlay,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let done = 0;
  await eachPiece(piecesOf(overlay, offset, length), signal, (piece) => {
    overlay.write(offset + done, piece);
    done += piece.length;
  });
}

function* piecesOf(overlay: Overlay, offset: number, length: number): Generator<Buffer, void> {
  const buffer = Buffer.alloc(PIECE_BYTES);
  for (let done = 0; done < length; done += PIECE_BYTES) {
    const piece = buffer.subarray(0, length - done);
    overlay.readInto(offset + done, piece);
    yield piece;
  }
}

/** Where a step goes; a text must be there once, so that nobody changes another place than he means. */
async function placeOf(
  overlay: Overlay,
  place: PlaceSpec,
  field: FieldPath,
  recipe: Recipe,
  signal: AbortSignal | undefined,
): Promise<number> {
  if ('offset' in place) return place.offset;
  const offsets = await findText(overlay, Buffer.from(place.find), signal);
  const [offset] = offsets;
  if (offset !== undefined && offsets.length === 1) return offset;
  const problem = offset === undefined ? 'is nowhere' : `is at ${offsets.join(' and ')}`;
  throw recipe.error([...field, 'find'], `the text ${problem} on the disk`);
}

/** The first two places of a text. */
async function findText(
  overlay: Overlay,
  text: Buffer,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const found: number[] = [];
  const window = Buffer.alloc(SEARCH_BYTES + text.length - 1);
  await eachPiece(windowStarts(overlay.length), signal, (start) => {
    const count = overlay.readInto(start, window);
    const part = window.subarray(0, count);
    let at = part.indexOf(text);
    while (at >= 0 && found.length < 2) {
      found.push(start + at);
      at = part.indexOf(text, at + 1);
    }
  });
  return found;
}

function* windowStarts(length: number): Generator<number, void> {
  for (let start = 0; start < length; start += SEARCH_BYTES) yield start;
}

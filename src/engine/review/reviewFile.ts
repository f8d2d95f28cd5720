import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { HexzError } from '../errors.js';
import { asOverlayError } from '../overlay/failures.js';
import { type OverlayFile, systemFiles } from '../overlay/files.js';
import type { OverlayPaths } from '../overlay/paths.js';
import { createBeside } from '../overlay/sideFile.js';
import { inSlices, type Pause, type Steps } from '../slices.js';
import { describeSystemError } from '../systemErrors.js';
import { formatRuns, parseRuns } from './runText.js';
import type { SavedReview } from './savedReview.js';

/*
 * A review beside a persistent overlay (docs/format.md, 13.5). It is a convenience, and never a reason not to open the overlay:
 * what cannot be read, or belongs to another base, is not used, and renamed where that is wanted.
 *
 *   `dataState`                what was said counts as said of
 *   as the data file is now    the bytes that are there
 *   another                    other bytes: all of it has changed since
 */

const VERSION = 1;
const MAX_BYTES = 32 * 1024 * 1024;

const runs = z.string().transform((text, context) => {
  const parsed = parseRuns(text);
  if (parsed !== undefined) return parsed;
  context.addIssue('not runs of pages');
  return z.NEVER;
});

const reviewFile = z.strictObject({
  version: z.literal(VERSION),
  baseIdentity: z.string(),
  dataState: z.string(),
  keep: runs,
  drop: runs,
  viewed: runs,
  changedSince: runs,
  splits: runs,
});

/** What is found beside an overlay. */
export interface FoundReview {
  /** Undefined where there is none, or none that can be used. */
  readonly review: SavedReview | undefined;
  /** Whether somebody has written into the overlay who did not tell the review (`Review.writtenUnknown`). */
  readonly isStale: boolean;
  /** Why the one that is there is not used, and where it is now. */
  readonly warning: string | undefined;
}

const NONE: FoundReview = { review: undefined, isStale: false, warning: undefined };

/**
 * Reads the review of an overlay that lies on a base.
 *
 * @param setsAside whether one that cannot be used is renamed, so that another can be saved
 */
export function readReview(
  paths: OverlayPaths,
  baseIdentity: string,
  setsAside: boolean,
): FoundReview {
  try {
    const text = readText(paths.review);
    if (text === undefined) return NONE;
    const { baseIdentity: itsBase, dataState, ...review } = reviewFile.parse(JSON.parse(text));
    if (itsBase !== baseIdentity) return unusable(paths, 'is of another base', setsAside);
    return { review, isStale: dataState !== stateOf(paths.data), warning: undefined };
  } catch {
    return unusable(paths, 'cannot be read', setsAside);
  }
}

/**
 * Puts a review in place of the last one, whole and on the disk, or not at all; in slices, so that the thread is never
 * held. While the overlay is written to, tell the review what was written after asking for `dataState` and before saving it.
 *
 * @param dataState of `stateOf`
 * @throws HexzError LIMIT where it would be longer than what is read; NO_SPACE, OVERLAY_UNUSABLE
 */
export function writeReview(
  paths: OverlayPaths,
  baseIdentity: string,
  review: SavedReview,
  dataState: string,
): Promise<void> {
  return putInPlace(paths.review, textOf(baseIdentity, review, dataState));
}

function* textOf(
  baseIdentity: string,
  { keep, drop, viewed, changedSince, splits }: SavedReview,
  dataState: string,
): Generator<string | Pause, void> {
  const head = JSON.stringify({ version: VERSION, baseIdentity, dataState }, undefined, 2);
  yield head.slice(0, head.lastIndexOf('\n'));
  for (const [name, of] of Object.entries({ keep, drop, viewed, changedSince, splits })) {
    yield `,\n  "${name}": "`;
    yield* formatRuns(of);
    yield '"';
  }
  yield '\n}\n';
}

/**
 * Opening an overlay may cut its data file, and closing it pad it, which changes no page: a review that was of the data
 * before then becomes one of what they are afterwards. One that was of others, or cannot be read, stays as it is.
 *
 * @returns to be called when that is done
 */
export function carryReview(paths: OverlayPaths): () => Promise<void> {
  const before = stateIfThere(paths.data);
  return async () => {
    const after = stateIfThere(paths.data);
    if (before === undefined || after === undefined || after === before) return;
    try {
      const text = readText(paths.review);
      if (text === undefined) return;
      const saved: { readonly dataState?: unknown } = JSON.parse(text);
      if (saved.dataState !== before) return;
      const carried = JSON.stringify({ ...saved, dataState: after }, undefined, 2);
      await putInPlace(paths.review, [`${carried}\n`]);
    } catch {
      // What was said then counts as said of other bytes, and somebody looks again.
    }
  };
}

async function putInPlace(path: string, chunks: Iterable<string | Pause>): Promise<void> {
  try {
    const file = createBeside(systemFiles, path);
    try {
      await inSlices(writeChunks(file, path, chunks));
      await file.syncLater();
    } catch (error) {
      systemFiles.remove(file.path);
      throw error;
    } finally {
      file.close();
    }
    systemFiles.rename(file.path, path);
    const directory = await open(dirname(path));
    await directory.sync().finally(() => directory.close());
  } catch (error) {
    throw asOverlayError(error, path, 'save the review');
  }
}

function* writeChunks(
  file: OverlayFile,
  path: string,
  chunks: Iterable<string | Pause>,
): Steps<void> {
  let offset = 0;
  for (const chunk of chunks) {
    yield;
    if (chunk === undefined) continue;
    const bytes = Buffer.from(chunk);
    if (offset + bytes.length > MAX_BYTES) {
      throw new HexzError('LIMIT', 'the review is in too many pieces to be saved', {
        location: { file: path },
      });
    }
    file.write(bytes, offset);
    offset += bytes.length;
  }
}

/** The state of a data file: another after every write, as far as the clock of the file system tells. */
export function stateOf(dataPath: string): string {
  const { size, mtimeNs } = statSync(dataPath, { bigint: true });
  return `${size}@${mtimeNs}`;
}

function stateIfThere(dataPath: string): string | undefined {
  try {
    return stateOf(dataPath);
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  const file = systemFiles.open(path, 'read');
  try {
    const length = file.length();
    if (length > MAX_BYTES) throw new Error('too long');
    const bytes = Buffer.alloc(length);
    return bytes.toString('utf8', 0, file.read(bytes, 0));
  } finally {
    file.close();
  }
}

function unusable(
  { review: path }: OverlayPaths,
  problem: string,
  setsAside: boolean,
): FoundReview {
  const warning = `the review of the overlay ${problem} and is not used`;
  if (!setsAside) return { ...NONE, warning: `${warning}: ${path}` };
  const newPath = `${path}.aside-${Date.now()}`;
  try {
    systemFiles.rename(path, newPath);
    return { ...NONE, warning: `${warning}; it is now ${newPath}` };
  } catch (error) {
    return { ...NONE, warning: `${warning}: ${path} (${describeSystemError(error)})` };
  }
}

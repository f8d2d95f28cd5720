import { dirname } from 'node:path';
import { HexzError } from '../errors.js';
import type { OverlayFile, OverlayFiles } from './files.js';
import { MAX_DISK_BYTES } from './pages.js';
import { temporaryPathOf } from './paths.js';

/**
 * What hexz records beside the two files of an overlay (docs/format.md, 13.4). Lengths are in bytes.
 *
 *   openedBy  what it says
 *   null      the overlay was closed with exactly these lengths
 *   set       a writer has it open, or ended without closing it: the lengths are those at its last flush
 */
export interface SideFile {
  readonly base: { readonly path: string; readonly identity: string };
  /** Exact size of the merged disk. */
  readonly diskLength: number;
  /** From here on the base does not show through; null if the disk was never cut below the base. */
  readonly lowestTruncation: number | null;
  readonly dataLength: number;
  readonly listLength: number;
  /** Which start of which machine the lengths were flushed in. */
  readonly bootId: string;
  readonly openedBy: { readonly pid: number; readonly mountpoint: string | null } | null;
}

const VERSION = 1;
const MAX_BYTES = 64 * 1024;

/**
 * Reads a side file.
 *
 * @returns undefined where there is none
 * @throws HexzError OVERLAY_DAMAGED when it is not what hexz writes; the system's errors
 */
export function readSideFile(files: OverlayFiles, path: string): SideFile | undefined {
  let file: OverlayFile;
  try {
    file = files.open(path, 'read');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(MAX_BYTES);
    return parseSideFile(bytes.toString('utf8', 0, file.read(bytes, 0)));
  } catch (cause) {
    if (!(cause instanceof HexzError)) throw cause;
    throw cause.at({ file: path });
  } finally {
    file.close();
  }
}

/** Puts a side file in place of the last one, whole and on the disk, or not at all. */
export function writeSideFile(files: OverlayFiles, path: string, sideFile: SideFile): void {
  const text = `${JSON.stringify({ version: VERSION, ...sideFile }, undefined, 2)}\n`;
  const file = createBeside(files, path);
  try {
    file.write(Buffer.from(text), 0);
    file.sync();
  } finally {
    file.close();
  }
  files.rename(file.path, path);
  files.syncDirectory(dirname(path));
}

/**
 * Creates a file under a temporary name, to be given this path later. Only the holder of the overlay's lock does:
 * what has the name already was left by one that was killed.
 */
export function createBeside(files: OverlayFiles, path: string): OverlayFile {
  const temporaryPath = temporaryPathOf(path);
  try {
    return files.open(temporaryPath, 'create');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    files.remove(temporaryPath);
    return files.open(temporaryPath, 'create');
  }
}

function parseSideFile(text: string): SideFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged('is not JSON', cause);
  }
  const fields = objectOf(value, 'contents');
  const { version, base, lowestTruncation, openedBy } = fields;
  if (typeof version !== 'number') throw damaged('has no version');
  if (version !== VERSION) {
    throw new HexzError('OVERLAY_UNUSABLE', `the side file of the overlay has version ${version}`, {
      hint: 'it was written by a newer hexz; use that one',
    });
  }
  const { path, identity } = objectOf(base, 'base');
  return {
    base: { path: textOf(path, 'base.path'), identity: textOf(identity, 'base.identity') },
    diskLength: lengthOf(fields.diskLength, 'diskLength'),
    lowestTruncation:
      lowestTruncation === null ? null : lengthOf(lowestTruncation, 'lowestTruncation'),
    dataLength: lengthOf(fields.dataLength, 'dataLength'),
    listLength: lengthOf(fields.listLength, 'listLength'),
    bootId: textOf(fields.bootId, 'bootId'),
    openedBy: openedBy === null ? null : parseOpenedBy(openedBy),
  };
}

function parseOpenedBy(value: unknown): SideFile['openedBy'] {
  const { pid, mountpoint } = objectOf(value, 'openedBy');
  return {
    pid: lengthOf(pid, 'openedBy.pid'),
    mountpoint: mountpoint === null ? null : textOf(mountpoint, 'openedBy.mountpoint'),
  };
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw damaged(`has no ${name}`);
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw damaged(`has no text as ${name}`);
}

function lengthOf(value: unknown, name: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_DISK_BYTES) {
    return value as number;
  }
  throw damaged(`has a wrong ${name}`);
}

const damaged = (what: string, cause?: unknown): HexzError =>
  new HexzError('OVERLAY_DAMAGED', `the side file of the overlay ${what}`, {
    hint: 'hexz overlay repair puts a new one in its place',
    cause,
  });

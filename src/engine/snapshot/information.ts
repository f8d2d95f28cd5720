import { HexzError } from '../errors.js';
import { MAX_CHAIN_DEPTH, MAX_CHAIN_FILES } from '../format/limits.js';
import { findProblems } from '../format/references.js';
import {
  type Generation,
  generationOf,
  readEntryBytes,
  readOutline,
  type SnapshotOutline,
} from './fileIndex.js';
import { findParent, parentCandidates } from './parentPath.js';
import { openFileSource, type Source } from './source.js';

/** Longer metadata is announced with its length only. */
const MAX_METADATA_TEXT_BYTES = 1024 * 1024;

/** A forged index has millions; the first ones tell enough. */
const MAX_PROBLEMS = 100;

/** What header and master index tell about a snapshot. */
export interface SnapshotInformation extends SnapshotOutline {
  readonly path: string;
  readonly fileLength: number;
  /** Undefined when the first index page is damaged, so that A4 and A cannot be told apart. */
  readonly generation: Generation | undefined;
  /** The metadata, where it is UTF-8 text of a sensible length. */
  readonly metadataText: string | undefined;
  readonly parents: readonly ParentInformation[];
  /** What contradicts the file; `openSnapshot` refuses a file that has any. */
  readonly problems: readonly HexzError[];
  /** How many there are beyond those. */
  readonly furtherProblems: number;
}

/** A parent as the header names it, and what was found. */
export interface ParentInformation {
  readonly storedPath: string;
  /** Where it was found; undefined when it was not. */
  readonly foundPath: string | undefined;
  readonly generation: Generation | undefined;
  readonly encrypted: boolean | undefined;
  readonly fileLength: number | undefined;
  /** Why it cannot be used, if it cannot. */
  readonly error: HexzError | undefined;
  readonly parents: readonly ParentInformation[];
}

/**
 * Describes a snapshot from header and master index, without a password and without its parents being
 * there. Damaged references are reported, not refused.
 *
 * @throws HexzError when header or master index cannot be read
 */
export function describeSnapshot(
  path: string,
  parentDirectories: readonly string[] = [],
): SnapshotInformation {
  const source = openFileSource(path);
  try {
    const outline = readOutline(source);
    const { header, masterIndex } = outline;
    const problems: HexzError[] = [];
    let furtherProblems = 0;
    for (const problem of findProblems(header, masterIndex, source.length)) {
      if (problems.length < MAX_PROBLEMS) problems.push(problem);
      else furtherProblems++;
    }
    let generation: Generation | undefined;
    try {
      generation = generationOf(header, readEntryBytes(source, outline));
    } catch (error) {
      if (!(error instanceof HexzError)) throw error;
      if (problems.length === 0) problems.push(error);
    }
    const budget = { files: MAX_CHAIN_FILES };
    return {
      ...outline,
      path,
      fileLength: source.length,
      generation,
      metadataText: readMetadataText(source, outline),
      parents: describeParents(
        path,
        header.parentPaths,
        parentDirectories,
        [source.identity],
        budget,
      ),
      problems,
      furtherProblems,
    };
  } finally {
    source.close();
  }
}

function readMetadataText(source: Source, { header }: SnapshotOutline): string | undefined {
  const { metadata } = header;
  if (metadata === undefined || metadata.length > MAX_METADATA_TEXT_BYTES) return undefined;
  if (metadata.offset + metadata.length > source.length) return undefined;
  const bytes = Buffer.alloc(metadata.length);
  source.read(bytes, metadata.offset);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function describeParents(
  childPath: string,
  storedPaths: readonly string[],
  parentDirectories: readonly string[],
  lineage: readonly string[],
  budget: { files: number },
): ParentInformation[] {
  return storedPaths.map((storedPath) => {
    const candidates = parentCandidates(storedPath, childPath, parentDirectories);
    const foundPath = findParent(candidates, lineage);
    const unknown = { generation: undefined, encrypted: undefined, fileLength: undefined };
    if (foundPath === undefined) {
      const error = new HexzError('PARENT_MISSING', 'not found');
      return { storedPath, foundPath, ...unknown, error, parents: [] };
    }
    let source: Source | undefined;
    try {
      source = openFileSource(foundPath);
      checkLineage(source, lineage, budget);
      const outline = readOutline(source);
      const [problem] = findProblems(outline.header, outline.masterIndex, source.length);
      if (problem !== undefined) throw problem;
      return {
        storedPath,
        foundPath,
        generation: generationOf(outline.header, readEntryBytes(source, outline)),
        encrypted: outline.header.encryption !== undefined,
        fileLength: source.length,
        error: undefined,
        parents: describeParents(
          foundPath,
          outline.header.parentPaths,
          parentDirectories,
          [...lineage, source.identity],
          budget,
        ),
      };
    } catch (error) {
      if (!(error instanceof HexzError)) throw error;
      return { storedPath, foundPath, ...unknown, error, parents: [] };
    } finally {
      source?.close();
    }
  });
}

function checkLineage(
  { identity }: Source,
  lineage: readonly string[],
  budget: { files: number },
): void {
  if (lineage.includes(identity)) {
    throw new HexzError('PARENT_CYCLE', 'it is one of its own descendants');
  }
  if (lineage.length > MAX_CHAIN_DEPTH || budget.files-- <= 0) {
    throw new HexzError('LIMIT', `more than ${MAX_CHAIN_DEPTH} generations of parents`);
  }
}

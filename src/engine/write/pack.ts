import { basename, dirname, join, resolve } from 'node:path';
import { HexzError } from '../errors.js';
import { type StreamName, streamNames } from '../format/types.js';
import { openSnapshot } from '../snapshot/open.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { identityOfFile } from '../snapshot/source.js';
import { Chunker, type ChunkSizes, checkChunkSizes } from './chunking.js';
import { trainDictionary } from './dictionary.js';
import { modifiedWhileRead, openInput, type StreamInput } from './input.js';
import {
  checkBlockBytes,
  DEFAULT_BLOCK_BYTES,
  NewSnapshot,
  type NewSnapshotReport,
  type OutputOptions,
} from './newSnapshot.js';
import { originWarnings } from './originWarnings.js';
import { packStream } from './packStream.js';

export interface PackOptions extends OutputOptions {
  /** What becomes the disk: a file, a device, a pipe; - is standard input. */
  readonly disk?: string | undefined;
  readonly memory?: string | undefined;
  /** Cut where the contents say so, in place of blocks of one length. */
  readonly chunking?: ChunkSizes | undefined;
  /** Train a zstd dictionary on the input. */
  readonly trainsDictionary?: boolean;
  readonly parent?: PackParent | undefined;
}

/** A snapshot that the new one borrows equal blocks from. */
export interface PackParent {
  readonly path: string;
  readonly passwords?: readonly string[];
  readonly parentDirectories?: readonly string[];
}

/**
 * Makes a snapshot of generation A. It is written beside its name, brought onto the disk, opened again and checked,
 * and then takes its name; whatever goes wrong leaves what was there before.
 *
 * Equal input, options and encoder give equal bytes, whatever the number of threads; encryption aside.
 *
 * @throws HexzError USAGE, UNREADABLE, CODEC_MISSING, LIMIT, OUTPUT_EXISTS, OUTPUT_FAILED; of the parent as
 *   `openSnapshot`; the reason of `signal`
 */
export async function pack(options: PackOptions): Promise<NewSnapshotReport> {
  const { blockBytes = DEFAULT_BLOCK_BYTES, chunking, parent } = options;
  checkBlockBytes(blockBytes);
  if (chunking !== undefined) checkChunkSizes(chunking);
  const inputs = openInputs(options);
  let borrowed: Snapshot | undefined;
  let made: NewSnapshot | undefined;
  try {
    if (parent !== undefined) borrowed = openParent(parent, options.output);
    const warnings: string[] = [];
    const dictionary = dictionaryFor(options, inputs, blockBytes, warnings);
    if (parent !== undefined && borrowed !== undefined) {
      const encrypts = options.encryption !== undefined;
      warnings.push(
        ...checkParentPlace(parent, borrowed, options.output),
        ...originWarnings(borrowed, 'parent', { isThin: true, encrypts }),
      );
    }
    made = await NewSnapshot.create(options, {
      variableBlocks: chunking !== undefined,
      maximumBlockBytes: chunking?.maximumBytes ?? blockBytes,
      dictionary,
      parentPath: parent === undefined ? undefined : basename(parent.path),
      expectedBytes: totalBytesOf(inputs),
      inputs: [
        ...streamNames.flatMap((stream) => filePathOf(options[stream])),
        ...(borrowed?.chain().map(({ path }) => path) ?? []),
      ],
      isPrivate: false,
    });
    const total = totalBytesOf(inputs);
    let done = 0;
    for (const { stream, input } of inputs) {
      const cutter = chunking === undefined ? blockBytes : new Chunker(chunking);
      for await (const bytes of packStream(made.pipeline, stream, input, cutter, borrowed)) {
        await made.progress('write', done + bytes, total);
      }
      done += input.length ?? 0;
      if (input.wasModified()) warnings.push(modifiedWhileRead(input));
    }
    await made.complete();
    await made.checkBlocks(streamNames, {
      passwords: parent?.passwords ?? [],
      parentDirectories: [
        ...(parent === undefined ? [] : [dirname(resolve(parent.path))]),
        ...(parent?.parentDirectories ?? []),
      ],
    });
    return await made.publish(warnings);
  } catch (error) {
    await made?.discard();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    borrowed?.close();
    for (const { input } of inputs) input.close();
  }
}

/** What standard input was opened from is a file, too. */
function filePathOf(path: string | undefined): string[] {
  if (path === undefined) return [];
  return [path === '-' ? '/proc/self/fd/0' : path];
}

interface NamedInput {
  readonly stream: StreamName;
  readonly input: StreamInput;
}

function openInputs(options: PackOptions): NamedInput[] {
  const paths = streamNames.flatMap((stream) => {
    const path = options[stream];
    return path === undefined ? [] : [{ stream, path }];
  });
  if (paths.length === 0) {
    throw new HexzError('USAGE', 'neither a disk nor a memory was given', {
      hint: 'name one with --disk or --memory',
    });
  }
  if (paths.every(({ path }) => path === '-') && paths.length > 1) {
    throw new HexzError('USAGE', 'standard input cannot be both disk and memory');
  }
  const inputs: NamedInput[] = [];
  try {
    for (const { stream, path } of paths) inputs.push({ stream, input: openInput(path) });
    return inputs;
  } catch (error) {
    for (const { input } of inputs) input.close();
    throw error;
  }
}

function openParent(
  { path, passwords = [], parentDirectories = [] }: PackParent,
  output: string,
): Snapshot {
  if (basename(path) === basename(output)) {
    throw new HexzError('USAGE', 'a snapshot cannot have the file name of its parent', {
      location: { file: output },
      hint: 'the parent is recorded by its name, and would be looked for here',
    });
  }
  return openSnapshot(path, { passwords, parentDirectories });
}

function totalBytesOf(inputs: readonly NamedInput[]): number | undefined {
  let total = 0;
  for (const { input } of inputs) {
    if (input.length === undefined) return undefined;
    total += input.length;
  }
  return total;
}

function dictionaryFor(
  { trainsDictionary, compression }: PackOptions,
  [first]: readonly NamedInput[],
  blockBytes: number,
  warnings: string[],
): Buffer | undefined {
  if (trainsDictionary !== true || first === undefined) return undefined;
  if (compression !== 'zstd') {
    warnings.push('no dictionary was trained: only zstd uses one');
    return undefined;
  }
  const dictionary = trainDictionary(first.input, blockBytes);
  if (dictionary === undefined) {
    warnings.push('no dictionary was trained: the input has too little that compresses');
  }
  return dictionary;
}

/**
 * The parent is recorded by its file name and looked for beside the output first. What is found there must be the
 * parent, or nothing.
 *
 * @throws HexzError USAGE
 */
function checkParentPlace({ path }: PackParent, parent: Snapshot, output: string): string[] {
  const beside = join(dirname(resolve(output)), basename(path));
  const identity = identityOfFile(beside);
  if (identity === parent.index.source.identity) return [];
  if (identity !== undefined) {
    throw new HexzError('USAGE', 'the output would take another file of this name for its parent', {
      location: { file: beside },
      hint: `write the output into the directory of ${path}`,
    });
  }
  return [
    `the parent is recorded as ${basename(path)} and looked for beside the new snapshot; keep them together, or name its directory with --parent-dir`,
  ];
}

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HexzError } from '../../errors.js';
import { MAX_DISK_BYTES } from '../../overlay/pages.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import { bytes, type Content, pattern, repetition, sequence, zeros } from './content.js';
import { makeImage } from './ext4/image.js';
import { completeTree, type TreeEntry } from './ext4/tree.js';
import { type FileSum, fileContent, inputPath, sumOfFile, treeFiles } from './inputs.js';
import { MAX_DATA_BYTES } from './limits.js';
import { parentContent } from './parentContent.js';
import { random, words } from './random.js';
import type { FieldPath, Recipe } from './recipe.js';
import type { EntrySpec, Ext4Spec, GeneratorSpec, PlacedSpec, StreamSpec } from './spec.js';

interface Parts {
  readonly recipe: Recipe;
  /** For images of file systems; they have to stay as long as contents are used. */
  readonly directory: string;
  readonly parent: Snapshot | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes contents of what one recipe says.
 *
 * State: what it has met so far, for the recipe's lock file.
 */
export class ContentMaker {
  /** By the path in the recipe. */
  readonly inputs = new Map<string, FileSum>();
  #imageCount = 0;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get usesExt4(): boolean {
    return this.#imageCount > 0;
  }

  /**
   * @throws HexzError of the recipe with the field's place: RECIPE_INVALID, LIMIT; UNREADABLE, TOOL_MISSING,
   *   OUTPUT_FAILED
   */
  async stream(spec: StreamSpec, field: FieldPath): Promise<Content> {
    const content = await this.#list(spec.content, [...field, ...spec.contentPath]);
    if (spec.length === undefined) return content;
    if (spec.length >= content.length) {
      return sequence([content, zeros(spec.length - content.length)]);
    }
    throw this.#error([...field, 'length'], `its contents have ${content.length} bytes`);
  }

  /** @throws HexzError as `stream` */
  async generator(spec: GeneratorSpec, field: FieldPath): Promise<Content> {
    const own = [...field, spec.kind === 'words' ? 'text' : spec.kind];
    return this.#limited(await this.#make(spec, own), own);
  }

  #make(spec: GeneratorSpec, field: FieldPath): Content | Promise<Content> {
    switch (spec.kind) {
      case 'zeros':
        return zeros(spec.length);
      case 'pattern':
        return pattern(spec.unit, spec.length);
      case 'random':
        return random(spec.seed, spec.length);
      case 'text':
        return bytes(Buffer.from(spec.text));
      case 'words':
        return words(spec.seed, spec.length);
      case 'repeat':
        return this.#repeat(spec, field);
      case 'file':
        return this.#file(spec, field);
      case 'parent':
        return this.#parentStream(spec, field);
      case 'ext4':
        return this.#ext4(spec, field);
    }
  }

  async #list(list: readonly PlacedSpec[], field: FieldPath): Promise<Content> {
    const parts: Content[] = [];
    let end = 0;
    for (const [index, { atOffset = end, generator }] of list.entries()) {
      const own = [...field, index];
      if (atOffset < end) {
        throw this.#error([...own, 'at'], `lies before the end of what stands before it (${end})`);
      }
      const content = await this.generator(generator, own);
      parts.push(zeros(atOffset - end), content);
      end = atOffset + content.length;
    }
    return this.#limited(sequence(parts), field);
  }

  async #repeat(
    { times, content }: GeneratorSpec & { kind: 'repeat' },
    field: FieldPath,
  ): Promise<Content> {
    return repetition(await this.#list(content, [...field, 'content']), times);
  }

  #file(spec: GeneratorSpec & { kind: 'file' }, field: FieldPath): Content {
    const path = this.#inputPath(spec.path, field);
    const sum = sumOfFile(path);
    this.inputs.set(spec.path, sum);
    return fileContent(path, this.#range(spec, sum.bytes, field));
  }

  #parentStream(spec: GeneratorSpec & { kind: 'parent' }, field: FieldPath): Content {
    const { stream } = spec;
    const { parent } = this.#parts;
    if (parent === undefined) throw this.#error(field, 'the recipe has no parent');
    if (!parent.hasStream(stream)) throw this.#error(field, `the parent has no ${stream} stream`);
    const range = this.#range(spec, parent.streamLength(stream), field);
    return parentContent(parent, stream, range);
  }

  async #ext4(spec: Ext4Spec, field: FieldPath): Promise<Content> {
    const { directory, signal } = this.#parts;
    const entries = new Map<string, TreeEntry>();
    if (spec.from !== undefined) this.#takeDirectory(spec.from, [...field, 'from'], entries);
    for (const [path, entry] of spec.tree) {
      entries.set(path, await this.#entry(entry, treeField(field, path, entry)));
    }
    const tree = completeTree(entries, (path, message) => {
      const entry = spec.tree.get(path);
      return this.#error(entry === undefined ? field : treeField(field, path, entry), message);
    });
    const number = this.#imageCount++;
    const imagePath = join(directory, `ext4-${number}`);
    const workDirectory = join(directory, `ext4-${number}.work`);
    mkdirSync(workDirectory, { mode: 0o700 });
    try {
      await makeImage(imagePath, spec, tree, workDirectory, signal);
    } catch (error) {
      if (!(error instanceof HexzError)) throw error;
      throw this.#error(field, error.message, error.code, error.hint);
    }
    return fileContent(imagePath, { offset: 0, length: spec.sizeBytes });
  }

  async #entry({ kind, ...attributes }: EntrySpec, field: FieldPath): Promise<TreeEntry> {
    if (kind.type !== 'file') return { kind, ...attributes };
    const content = await this.#list(kind.content, field);
    return { kind: { type: 'file', content }, ...attributes };
  }

  /** Of a directory, names, kinds, contents and who may execute count; what git keeps, that is. */
  #takeDirectory(from: string, field: FieldPath, entries: Map<string, TreeEntry>): void {
    const directory = this.#inputPath(from, field);
    const hash = createHash('sha256');
    let totalBytes = 0;
    for (const { path, type, isExecutable, target } of treeFiles(directory)) {
      const kind: TreeEntry['kind'] =
        type === 'file'
          ? fileIn(directory, path)
          : type === 'symlink'
            ? { type, target }
            : { type };
      const sum = type === 'file' ? sumOfFile(join(directory, path)) : undefined;
      totalBytes += sum?.bytes ?? 0;
      hash.update(`${JSON.stringify([path, type, isExecutable, target, sum?.sha256 ?? ''])}\n`);
      const mode = type === 'file' && isExecutable ? 0o755 : undefined;
      entries.set(path, { kind, mode, uid: 0, gid: 0, time: undefined });
    }
    this.inputs.set(from, { bytes: totalBytes, sha256: hash.digest('hex') });
  }

  #inputPath(path: string, field: FieldPath): string {
    return inputPath(this.#parts.recipe.path, path, (message) => this.#error(field, message));
  }

  #range(
    { offset, length }: { offset: number; length: number | undefined },
    available: number,
    field: FieldPath,
  ): { offset: number; length: number } {
    const range = { offset, length: length ?? available - offset };
    if (range.length >= 0 && offset + range.length <= available) return range;
    throw this.#error(field, `reaches behind the end, at ${available} bytes`);
  }

  #limited(content: Content, field: FieldPath): Content {
    if (!(content.length <= MAX_DISK_BYTES)) {
      throw this.#error(field, `more than ${MAX_DISK_BYTES} bytes`, 'LIMIT');
    }
    if (!(content.dataBytes <= MAX_DATA_BYTES)) {
      throw this.#error(field, `more than ${MAX_DATA_BYTES} bytes that are not zeros`, 'LIMIT');
    }
    return content;
  }

  #error(
    field: FieldPath,
    message: string,
    code?: HexzError['code'],
    hint?: string | undefined,
  ): HexzError {
    const error = this.#parts.recipe.error(field, message, code);
    if (hint === undefined) return error;
    return new HexzError(error.code, error.message, { location: error.location, hint });
  }
}

const fileIn = (directory: string, path: string): TreeEntry['kind'] => {
  const real = join(directory, path);
  return { type: 'file', content: fileContent(real, { offset: 0, length: sumOfFile(real).bytes }) };
};

/** The key of a directory ends in a slash. */
const treeField = (field: FieldPath, path: string, { kind }: EntrySpec): FieldPath => [
  ...field,
  'tree',
  kind.type === 'directory' ? `${path}/` : path,
];

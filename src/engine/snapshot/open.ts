import { deriveKey } from '../codec/aesGcm.js';
import { HexzError } from '../errors.js';
import type { IndexPage, StoredBlock } from '../format/indexPage.js';
import { MAX_CHAIN_DEPTH, MAX_CHAIN_FILES } from '../format/limits.js';
import { streamNames } from '../format/types.js';
import { BlockCache } from './blockCache.js';
import { BlockDecoder } from './blockDecoder.js';
import { FileIndex } from './fileIndex.js';
import { findParent, parentCandidates } from './parentPath.js';
import { Snapshot } from './snapshot.js';
import { openFileSource, type Source } from './source.js';
import { PageCache, type StreamIndex } from './streamIndex.js';

export const DEFAULT_CACHE_BYTES = 256 * 1024 * 1024;

/** Index pages looked through for blocks to try a password on, and how many blocks. */
const PASSWORD_TRIAL_PAGES = 16;
const PASSWORD_TRIAL_BLOCKS = 8;

export interface OpenOptions {
  /** Memory for decoded blocks of the whole chain, in bytes. Default 256 MiB; 0 keeps none. */
  readonly cacheBytes?: number;
  /** Tried in turn on every encrypted file of the chain. */
  readonly passwords?: string | readonly string[];
  /** Where parents are looked for besides the stored path and the child's own directory. */
  readonly parentDirectories?: readonly string[];
}

/**
 * Opens a snapshot with all its parents for reading. Only header, master index and a few bytes of the
 * index are read; every reference in header and master index is held against the file.
 *
 * @param file path of the snapshot, or a source that the snapshot closes
 * @throws HexzError with the file, for everything that is wrong with it or with a parent
 */
export function openSnapshot(file: string | Source, options: OpenOptions = {}): Snapshot {
  const opener = new ChainOpener(options);
  if (typeof file === 'string') return opener.open(openFileSource(file));
  if (typeof file?.read !== 'function') {
    throw new HexzError('USAGE', 'a snapshot is opened by its path or from a source');
  }
  return opener.open(file);
}

/**
 * Opens the files of one chain. Each file is opened once, however many children name it; all share one
 * block cache and one page cache.
 *
 * State: `#opened` by identity of the file, and `#sources` to close when anything fails.
 */
class ChainOpener {
  readonly #blockCache: BlockCache;
  readonly #pageCache = new PageCache();
  readonly #passwords: readonly string[];
  readonly #parentDirectories: readonly string[];
  readonly #opened = new Map<string, Snapshot>();
  readonly #sources: Source[] = [];

  constructor(options: OpenOptions) {
    this.#blockCache = new BlockCache(options.cacheBytes ?? DEFAULT_CACHE_BYTES);
    this.#passwords = [options.passwords ?? []].flat();
    this.#parentDirectories = options.parentDirectories ?? [];
  }

  open(source: Source): Snapshot {
    try {
      return this.#openFile(source, []);
    } catch (error) {
      for (const opened of this.#sources) opened.close();
      throw error;
    }
  }

  #openFile(source: Source, descendants: readonly Source[]): Snapshot {
    this.#sources.push(source);
    const index = new FileIndex(source, this.#pageCache);
    const lineage = [...descendants, source];
    const parents = index.header.parentPaths.map((path) => this.#openParent(path, lineage));
    const decoder = this.#decoderFor(index);
    const snapshot = new Snapshot(index, parents, decoder, this.#blockCache);
    this.#opened.set(source.identity, snapshot);
    return snapshot;
  }

  #openParent(storedPath: string, lineage: readonly Source[]): Snapshot {
    const child = lineage.at(-1) as Source;
    const candidates = parentCandidates(storedPath, child.path, this.#parentDirectories);
    const path = findParent(
      candidates,
      lineage.map(({ identity }) => identity),
    );
    if (path === undefined) {
      throw new HexzError(
        'PARENT_MISSING',
        `its parent "${storedPath}" was not found (looked for ${candidates.join(', ')})`,
        { location: { file: child.path }, hint: 'name its directory with --parent-dir' },
      );
    }
    const source = openFileSource(path);
    const known = this.#opened.get(source.identity);
    if (known !== undefined || lineage.some(({ identity }) => identity === source.identity)) {
      source.close();
      if (known !== undefined) return known;
      throw new HexzError('PARENT_CYCLE', `its parent "${path}" is one of its own descendants`, {
        location: { file: child.path },
      });
    }
    if (lineage.length > MAX_CHAIN_DEPTH || this.#sources.length >= MAX_CHAIN_FILES) {
      source.close();
      throw new HexzError(
        'LIMIT',
        `more than ${MAX_CHAIN_DEPTH} generations or ${MAX_CHAIN_FILES} files of parents`,
        { location: { file: child.path } },
      );
    }
    try {
      return this.#openFile(source, lineage);
    } catch (error) {
      throw error instanceof HexzError ? asParentOf(child, source, error) : error;
    }
  }

  #decoderFor(index: FileIndex): BlockDecoder {
    const { source, header } = index;
    const { compression, dictionary, encryption } = header;
    let dictionaryBytes: Buffer | undefined;
    if (dictionary !== undefined && dictionary.length > 0) {
      dictionaryBytes = Buffer.alloc(dictionary.length);
      source.read(dictionaryBytes, dictionary.offset);
    }
    const decoderWith = (key: Buffer | undefined) =>
      new BlockDecoder(source, compression, key, dictionaryBytes, this.#blockCache.memory);
    if (encryption === undefined) return decoderWith(undefined);
    if (this.#passwords.length === 0) {
      throw new HexzError('PASSWORD_REQUIRED', 'the snapshot is encrypted', {
        location: { file: source.path },
        hint: 'give its password with --password-file or in HEXZ_PASSWORD',
      });
    }
    const samples = [...firstDataBlocks(index)];
    for (const password of this.#passwords) {
      const decoder = decoderWith(deriveKey(password, encryption));
      if (opensOneOf(decoder, samples)) return decoder;
    }
    throw new HexzError('AUTH', 'wrong password', { location: { file: source.path } });
  }
}

/** Says of an error in a parent whose parent that is; further down it says so of its own child. */
function asParentOf(child: Source, parent: Source, error: HexzError): HexzError {
  if (error.location.file !== parent.path) return error;
  return new HexzError(error.code, `${error.message} (it is a parent of ${child.path})`, {
    location: error.location,
    hint: error.hint,
    cause: error.cause,
  });
}

/** The blocks that a password is tried on: the first few, from the first pages of a stream. */
function* firstDataBlocks({ masterIndex, streams }: FileIndex): Generator<PasswordSample> {
  let remaining = PASSWORD_TRIAL_BLOCKS;
  for (const stream of streamNames) {
    const pageCount = Math.min(masterIndex[stream].pageCount, PASSWORD_TRIAL_PAGES);
    for (let number = 0; number < pageCount; number++) {
      const page = loadIfSound(streams[stream], number);
      for (let entry = 0; entry < (page?.entryCount ?? 0); entry++) {
        if (page?.kindOf(entry) !== 'data') continue;
        if (remaining-- === 0) return;
        yield { block: page.storedBlock(entry), length: page.logicalLengthOf(entry) };
      }
    }
  }
}

/** A page, or nothing where it is damaged: whoever reads its blocks reports that. */
function loadIfSound(stream: StreamIndex, pageNumber: number): IndexPage | undefined {
  try {
    return stream.loadPage(pageNumber);
  } catch (error) {
    if (error instanceof HexzError) return undefined;
    throw error;
  }
}

interface PasswordSample {
  readonly block: StoredBlock;
  readonly length: number;
}

/**
 * Whether a decoder has the right key. Nothing in the file says so but blocks that open with it; several
 * are tried, so that one altered block does not lock its owner out, and one that is damaged otherwise
 * decides nothing. Where no block can tell, every password is accepted; reading then finds out.
 */
function opensOneOf(decoder: BlockDecoder, samples: readonly PasswordSample[]): boolean {
  let wasRefused = false;
  for (const { block, length } of samples) {
    try {
      decoder.decode(block, Buffer.allocUnsafeSlow(length));
      return true;
    } catch (error) {
      if (!(error instanceof HexzError)) throw error;
      wasRefused ||= error.code === 'AUTH';
    }
  }
  return !wasRefused;
}

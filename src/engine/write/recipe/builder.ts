import { constants, copyFileSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { HexzError } from '../../errors.js';
import { type StreamName, streamNames } from '../../format/types.js';
import { filesOfOverlay, overlayPaths } from '../../overlay/paths.js';
import { openSnapshot } from '../../snapshot/open.js';
import type { Snapshot } from '../../snapshot/snapshot.js';
import type { NewSnapshotReport } from '../newSnapshot.js';
import { pack } from '../pack.js';
import { attempt } from '../temporaryFile.js';
import type { Content } from './content.js';
import { ContentMaker } from './contentMaker.js';
import { e2fsprogsVersion } from './ext4/e2fsprogs.js';
import { type FileSum, inputPath, sumOfFile } from './inputs.js';
import { MAX_BLOCKS, MAX_GENERATIONS } from './limits.js';
import type { Lock } from './lock.js';
import { makeOverlay } from './overlaySteps.js';
import { type Recipe, readRecipe } from './recipe.js';
import type { ParentSpec } from './spec.js';
import { writeContent } from './writeContent.js';

export interface BuildProgress {
  /** Of the snapshot that is packed. */
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
}

export interface BuilderParts {
  /** A directory of our own, in which finished files lie by their names. */
  readonly stage: string;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: BuildProgress) => void) | undefined;
}

/** A recipe whose files lie finished in the stage. */
export interface Built {
  /** Of the recipe, as it was named first. */
  readonly path: string;
  readonly snapshot: StagedSnapshot;
  readonly made: Lock;
  /** Of packing. */
  readonly warnings: readonly string[];
}

interface StagedSnapshot {
  readonly path: string;
  /** Of it and its parents. */
  readonly passwords: readonly string[];
  readonly e2fsprogs: string | undefined;
  /** What is read that no recipe makes, by the path in the recipe. */
  readonly inputs: Readonly<Record<string, FileSum>>;
}

/**
 * Makes recipes and their parents in a stage.
 *
 * Invariant: a recipe is made once, however often and by whatever path it is named.
 */
export class RecipeBuilder {
  readonly #parts: BuilderParts;
  /** By the real path of the recipe. */
  readonly #built = new Map<string, Built>();
  /** By name: which recipe made it. */
  readonly #owners = new Map<string, string>();
  #e2fsprogs: string | undefined;

  constructor(parts: BuilderParts) {
    this.#parts = parts;
  }

  /** In the order in which they were made. */
  get built(): readonly Built[] {
    return [...this.#built.values()];
  }

  /** Of all finished files. */
  get fileNames(): readonly string[] {
    return [...this.#owners.keys()];
  }

  /** @throws HexzError */
  build(path: string): Promise<Built> {
    return this.#build(path, []);
  }

  async #build(path: string, descendants: readonly string[]): Promise<Built> {
    const recipe = readRecipe(path);
    const realPath = realpathSync(path);
    const known = this.#built.get(realPath);
    if (known !== undefined) return known;
    const parent = await this.#parentOf(recipe, [...descendants, realPath]);
    const built = await this.#make(recipe, parent);
    this.#built.set(realPath, built);
    return built;
  }

  async #parentOf(recipe: Recipe, lineage: readonly string[]): Promise<StagedSnapshot | undefined> {
    const { parent } = recipe.spec;
    if (parent === undefined) return undefined;
    const path = inputPath(recipe.path, parent.path, (message) =>
      recipe.error(['parent'], message),
    );
    if (parent.kind === 'snapshot') return this.#copySnapshot(recipe, parent, path);
    if (lineage.includes(path)) {
      const message = `${basename(path)} is made from this recipe itself`;
      throw recipe.error(['parent'], message, 'PARENT_CYCLE');
    }
    if (lineage.length > MAX_GENERATIONS) {
      throw recipe.error(['parent'], `more than ${MAX_GENERATIONS} generations`, 'LIMIT');
    }
    // As the user would name it, for messages and the lock file.
    const built = await this.#build(join(dirname(recipe.path), parent.path), lineage);
    return { ...built.snapshot, inputs: {} };
  }

  /** A snapshot that lies beside the recipe lies beside what is made of it, too. */
  #copySnapshot(recipe: Recipe, parent: ParentSpec, path: string): StagedSnapshot {
    const name = basename(path);
    const staged = join(this.#parts.stage, name);
    const { password } = parent;
    const passwords = password === undefined ? [] : [password];
    const snapshot = openSnapshot(path, { passwords, cacheBytes: 0 });
    const isThin = snapshot.header.parentPaths.length > 0;
    snapshot.close();
    if (isThin) {
      throw recipe.error(['parent'], 'the snapshot has parents itself; make it from a recipe');
    }
    if (this.#owners.get(name) !== path) {
      this.#claim(name, path);
      attempt(staged, () =>
        copyFileSync(path, staged, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE),
      );
    }
    return {
      path: staged,
      passwords,
      e2fsprogs: undefined,
      inputs: { [parent.path]: sumOfFile(staged) },
    };
  }

  async #make(recipe: Recipe, parent: StagedSnapshot | undefined): Promise<Built> {
    const { signal } = this.#parts;
    signal?.throwIfAborted();
    const { spec } = recipe;
    const name = spec.name ?? basename(recipe.path).replace(/\.ya?ml$/i, '');
    const snapshotPath = this.#claim(`${name}.hxz`, recipe.path);
    const overlay = spec.overlay && overlayPaths(join(this.#parts.stage, spec.overlay.file));
    const overlayFiles = overlay === undefined ? [] : filesOfOverlay(overlay);
    for (const path of overlayFiles) this.#claim(basename(path), recipe.path);
    const workDirectory = join(this.#parts.stage, '.work');
    mkdirSync(workDirectory, { mode: 0o700 });
    const passwords = [
      ...(spec.pack.encryption === undefined ? [] : [spec.pack.encryption.password]),
      ...(parent?.passwords ?? []),
    ];
    const parentSnapshot = parent && this.#open(parent.path, parent.passwords);
    try {
      const contents = new ContentMaker({
        recipe,
        directory: workDirectory,
        parent: parentSnapshot,
        signal,
      });
      const { encoder, warnings } = await this.#pack(
        recipe,
        snapshotPath,
        contents,
        workDirectory,
        parent,
      );
      if (spec.overlay !== undefined && overlay !== undefined) {
        const base = this.#open(snapshotPath, passwords);
        const parts = { recipe, spec: spec.overlay, path: overlay.data, base, contents, signal };
        await makeOverlay(parts).finally(() => base.close());
      }
      const e2fsprogs = contents.usesExt4 ? await this.#version() : parent?.e2fsprogs;
      const paths = [snapshotPath, ...overlayFiles];
      return {
        path: recipe.path,
        snapshot: { path: snapshotPath, passwords, e2fsprogs, inputs: {} },
        warnings,
        made: {
          tools: { encoder, e2fsprogs },
          inputs: { ...parent?.inputs, ...Object.fromEntries(contents.inputs) },
          files: Object.fromEntries(paths.map((path) => [basename(path), sumOfFile(path)])),
        },
      };
    } finally {
      parentSnapshot?.close();
      rmSync(workDirectory, { recursive: true, force: true });
    }
  }

  async #pack(
    recipe: Recipe,
    output: string,
    contents: ContentMaker,
    workDirectory: string,
    parent: StagedSnapshot | undefined,
  ): Promise<NewSnapshotReport> {
    const { signal, onProgress } = this.#parts;
    const { spec } = recipe;
    const { compression, blockBytes, chunking, encryption, message } = spec.pack;
    const paths = await this.#writeStreams(recipe, contents, workDirectory);
    const isThin = parent !== undefined && spec.parent?.isThin === true;
    const report = await pack({
      ...paths,
      output,
      compression,
      blockBytes,
      encoders: 'bundled',
      verifiesAll: true,
      chunking,
      encryption,
      message,
      ...(isThin ? { parent: { path: parent.path, passwords: parent.passwords } } : {}),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined
        ? {}
        : { onProgress: (progress) => onProgress({ name: basename(output), ...progress }) }),
    });
    for (const path of Object.values(paths)) rmSync(path);
    return report;
  }

  /** All lengths are known, and looked at, before the first stream is written. */
  async #writeStreams(
    { spec, error }: Recipe,
    contents: ContentMaker,
    directory: string,
  ): Promise<Partial<Record<StreamName, string>>> {
    const { chunking, blockBytes } = spec.pack;
    const streams: (readonly [StreamName, Content])[] = [];
    for (const stream of streamNames) {
      const streamSpec = spec[stream];
      if (streamSpec === undefined) continue;
      const content = await contents.stream(streamSpec, [stream]);
      if (content.length / (chunking?.minimumBytes ?? blockBytes) > MAX_BLOCKS) {
        throw error([stream], `more than ${MAX_BLOCKS} blocks`, 'LIMIT');
      }
      streams.push([stream, content]);
    }
    for (const [stream, content] of streams) {
      await writeContent(content, join(directory, stream), this.#parts.signal);
    }
    return Object.fromEntries(streams.map(([stream]) => [stream, join(directory, stream)]));
  }

  /** Takes a name for a file of a recipe. */
  #claim(name: string, owner: string): string {
    const path = join(this.#parts.stage, name);
    const other = this.#owners.get(name);
    if (other !== undefined || existsSync(path)) {
      throw new HexzError('USAGE', `would make ${name}, as does ${other ?? 'another'}`, {
        location: { file: owner },
        hint: 'give one of them another name, or make them one after the other',
      });
    }
    this.#owners.set(name, owner);
    return path;
  }

  #open(path: string, passwords: readonly string[]): Snapshot {
    return openSnapshot(path, { passwords });
  }

  async #version(): Promise<string> {
    this.#e2fsprogs ??= await e2fsprogsVersion(this.#parts.signal);
    return this.#e2fsprogs;
  }
}

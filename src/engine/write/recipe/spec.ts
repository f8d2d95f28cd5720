import type { Compression, StreamName } from '../../format/types.js';
import type { ChunkSizes } from '../chunking.js';

/**
 * What a recipe says, checked by itself: every length is in bytes, short forms are written out. Whether files
 * are there, and how long what they hold is, is not known yet.
 */
export interface RecipeSpec {
  /** Of the snapshot, without `.hxz`; undefined: that of the recipe's file. */
  readonly name: string | undefined;
  readonly disk: StreamSpec | undefined;
  readonly memory: StreamSpec | undefined;
  readonly parent: ParentSpec | undefined;
  readonly pack: PackSpec;
  readonly overlay: OverlaySpec | undefined;
}

export interface StreamSpec {
  /** What is missing to it is zero. */
  readonly length: number | undefined;
  readonly content: readonly PlacedSpec[];
  /** Where the contents stand in the field of the stream. */
  readonly contentPath: readonly string[];
}

/** A part of a stream. */
export interface PlacedSpec {
  /** Where it begins; undefined: behind the part before it. */
  readonly atOffset: number | undefined;
  readonly generator: GeneratorSpec;
}

export type GeneratorSpec =
  | { readonly kind: 'zeros'; readonly length: number }
  | { readonly kind: 'pattern'; readonly unit: Buffer; readonly length: number }
  | { readonly kind: 'random'; readonly seed: string; readonly length: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'words'; readonly seed: string; readonly length: number }
  | { readonly kind: 'repeat'; readonly times: number; readonly content: readonly PlacedSpec[] }
  | ({ readonly kind: 'file'; readonly path: string } & RangeSpec)
  | ({ readonly kind: 'parent'; readonly stream: StreamName } & RangeSpec)
  | ({ readonly kind: 'ext4' } & Ext4Spec);

interface RangeSpec {
  readonly offset: number;
  /** Undefined: up to the end. */
  readonly length: number | undefined;
}

export interface Ext4Spec {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly label: string;
  readonly uuid: string;
  readonly hashSeed: string;
  /** Undefined: none. */
  readonly journalBytes: number | undefined;
  /** Undefined: one for every 16 KiB, and enough for the tree. */
  readonly inodeCount: number | undefined;
  /** Of everything that has no time of its own, in seconds since 1970. */
  readonly time: number;
  /** A directory beside the recipe, whose tree comes first. */
  readonly from: string | undefined;
  /** By path, without slashes at its ends. */
  readonly tree: ReadonlyMap<string, EntrySpec>;
}

export interface EntrySpec {
  readonly kind: EntryKind;
  readonly mode: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly time: number | undefined;
}

export type EntryKind =
  | { readonly type: 'file'; readonly content: readonly PlacedSpec[] }
  | { readonly type: 'directory' }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'hardlink'; readonly path: string };

export interface ParentSpec {
  readonly kind: 'recipe' | 'snapshot';
  readonly path: string;
  readonly password: string | undefined;
  /** Whether blocks that the parent has are borrowed from it. */
  readonly isThin: boolean;
}

export interface PackSpec {
  readonly compression: Compression;
  readonly blockBytes: number;
  readonly chunking: ChunkSizes | undefined;
  readonly encryption: { readonly password: string; readonly salt: Buffer } | undefined;
  readonly message: string | undefined;
}

export interface OverlaySpec {
  /** Name of the data file. */
  readonly file: string;
  readonly steps: readonly StepSpec[];
}

export type StepSpec =
  | { readonly kind: 'truncate'; readonly length: number }
  | { readonly kind: 'write'; readonly place: PlaceSpec; readonly generator: GeneratorSpec }
  /** Writes what is there already. */
  | { readonly kind: 'rewrite'; readonly place: PlaceSpec; readonly length: number };

/** An offset of the disk, or where it holds this text and nowhere else. */
export type PlaceSpec = { readonly offset: number } | { readonly find: string };

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Generation, HexzCode, StreamName } from '../../src/index.js';

/** What the manifest of the golden files says of one stream. */
interface GoldenStream {
  readonly size: number;
  readonly sha256: string;
  readonly blocks: number;
  readonly data_blocks: number;
  readonly zero_blocks: number;
  readonly parent_refs: number;
  readonly unique_offsets: number;
  readonly pages: number;
  readonly page_entries: readonly number[];
  readonly covered: number;
}

export interface GoldenFixture extends Readonly<Record<StreamName, GoldenStream>> {
  readonly id: string;
  readonly file: string;
  readonly file_sha256: string;
  readonly file_size: number;
  readonly generation: Generation;
  /** What made it; "(none)" for those that a script has written. */
  readonly command: string;
  readonly parent: readonly string[] | null;
  readonly password: string | null;
  readonly compression: 'lz4' | 'zstd';
  readonly block_size: number;
  readonly encrypted: boolean;
  readonly variable_blocks: boolean;
  readonly has_disk: boolean;
  readonly has_memory: boolean;
  readonly cdc_params: readonly [number, number, number] | null;
  readonly signed: boolean;
  readonly dictionary_length: number | null;
  readonly metadata: string | null;
  readonly spots?: readonly { offset: number; length: number; sha256: string }[];
}

export interface MalformedFixture {
  readonly id: string;
  readonly file: string;
  readonly expected: HexzCode | 'ok';
  readonly password: string | null;
  readonly reader_streams?: Readonly<Record<StreamName, { size: number; sha256: string }>>;
}

/** An overlay that the Rust hexz wrote through a mount. */
export interface GoldenOverlay {
  readonly id: string;
  readonly base: string;
  readonly data: string;
  readonly meta: string;
  readonly data_size: number;
  readonly meta_blocks: readonly number[];
  /** What the Rust hexz shows of it. */
  readonly reference_merged_disk: { readonly size: number; readonly sha256: string };
  /** What the operations would make of a plain file. */
  readonly applied_disk: { readonly size: number; readonly sha256: string };
}

export const projectDirectory = fileURLToPath(new URL('../..', import.meta.url));

export const goldenPath = (file: string): string =>
  join(projectDirectory, 'fixtures', 'golden', file);

export const malformedPath = (file: string): string =>
  join(projectDirectory, 'fixtures', 'malformed', file);

function listOf<T>(manifestPath: string, name: 'fixtures' | 'overlays'): readonly T[] {
  const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as Record<string, readonly T[]>;
  return manifest[name] ?? [];
}

export const goldenFixtures = listOf<GoldenFixture>(goldenPath('manifest.json'), 'fixtures');
export const goldenOverlays = listOf<GoldenOverlay>(goldenPath('manifest.json'), 'overlays');
export const malformedFixtures = listOf<MalformedFixture>(
  malformedPath('manifest.json'),
  'fixtures',
);

export function goldenFixture(id: string): GoldenFixture {
  const fixture = goldenFixtures.find((candidate) => candidate.id === id);
  if (fixture === undefined) throw new Error(`no golden fixture ${id}`);
  return fixture;
}

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

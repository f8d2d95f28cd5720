import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { Overlay, type OverlayOptions } from '../../../src/engine/overlay/overlay.js';
import type { MemoryBase } from './memoryBase.js';

type Options = Partial<Omit<OverlayOptions, 'path' | 'base'>>;

/** For the top of a test file: opens overlays, for writing if not told otherwise, that end with the test. */
export function overlayOpener(): (path: string, base: MemoryBase, options?: Options) => Overlay {
  const opened: Overlay[] = [];
  afterEach(async () => {
    // Most are closed already, which makes closing fail.
    await Promise.allSettled(opened.splice(0).map((overlay) => overlay.close()));
  });
  return (path, base, options = {}) => {
    const overlay = Overlay.open({ path, base, access: 'write', ...options });
    opened.push(overlay);
    return overlay;
  };
}

/** The bytes of a list of pages. */
export function listOf(...pageIndexes: readonly (number | bigint)[]): Buffer {
  const bytes = Buffer.alloc(pageIndexes.length * 8);
  pageIndexes.forEach((pageIndex, entry) => {
    bytes.writeBigUInt64LE(BigInt(pageIndex), entry * 8);
  });
  return bytes;
}

export function readRange(overlay: Overlay, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, 0xa5);
  return bytes.subarray(0, overlay.readInto(offset, bytes));
}

/** Names, contents, times and permissions of all files in a directory: what must not change. */
export const everythingIn = (directory: string): readonly unknown[] =>
  readdirSync(directory).map((name) => {
    const path = join(directory, name);
    const { mode, mtimeMs, ctimeMs } = statSync(path);
    return { name, mode, mtimeMs, ctimeMs, bytes: readFileSync(path).toString('base64') };
  });

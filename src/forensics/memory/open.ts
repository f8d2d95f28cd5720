import type { ByteSource } from '../byteSource.js';
import type { ContainerName, MemoryContainer, MemoryStep } from './container.js';
import { openElfCore } from './elfCore.js';
import { FLATTENED_MAGIC } from './flattened.js';
import { GuestMemory } from './guestMemory.js';
import { KDUMP_MAGIC, openFlattenedKdump, openKdump } from './kdump.js';
import { LIME_MAGIC, openLime } from './lime.js';
import { openMigration } from './migration.js';
import { MIGRATION_MAGIC } from './migrationRecords.js';
import { openRaw } from './raw.js';

const ELF_MAGIC = 0x7f45_4c46;
/** Enough for every magic. */
const MAGIC_BYTES = 16;

/** What a memory stream is, by its first bytes. Whatever no container begins with is raw memory. */
export function recogniseContainer(source: ByteSource): ContainerName {
  const start = Buffer.alloc(MAGIC_BYTES);
  source.readInto(0, start.subarray(0, Math.min(MAGIC_BYTES, source.length)));
  if (start.readUInt32BE(0) === ELF_MAGIC) return 'elf-core';
  if (start.readUInt32LE(0) === LIME_MAGIC) return 'lime';
  if (start.readUInt32BE(0) === MIGRATION_MAGIC) return 'qemu-migration';
  const text = start.toString('latin1');
  if (text.startsWith(KDUMP_MAGIC)) return 'kdump';
  if (text === FLATTENED_MAGIC.padEnd(MAGIC_BYTES, '\0')) return 'kdump-flattened';
  return 'raw';
}

/**
 * Opens a memory stream in steps, between which the caller may tell how far it is, or stop. Migration streams and
 * flattened dumps are passed through once, the others only looked at (docs/memory.md).
 *
 * @param source must stay as it is for as long as the memory is read
 * @throws HexzError MEMORY_UNSUPPORTED, MEMORY_DAMAGED, LIMIT, with the offset in the stream
 */
export function* openMemorySteps(source: ByteSource): Generator<MemoryStep, GuestMemory> {
  const container = yield* opened(source);
  return new GuestMemory(container);
}

/** As `openMemorySteps`, in one go. */
export function openMemory(source: ByteSource): GuestMemory {
  return toEnd(openMemorySteps(source));
}

/** Runs steps to their end. */
export function toEnd<Result>(steps: Generator<unknown, Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function* opened(source: ByteSource): Generator<MemoryStep, MemoryContainer> {
  switch (recogniseContainer(source)) {
    case 'elf-core':
      return openElfCore(source);
    case 'lime':
      return openLime(source);
    case 'kdump':
      return openKdump(source);
    case 'kdump-flattened':
      return yield* openFlattenedKdump(source);
    case 'qemu-migration':
      return yield* openMigration(source);
    case 'raw':
      return openRaw(source);
  }
}

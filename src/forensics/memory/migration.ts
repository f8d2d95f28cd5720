import { HexzError } from '../../engine/errors.js';
import type { ByteSource } from '../byteSource.js';
import type { MemoryContainer, MemoryStep } from './container.js';
import { beyondLimit, damaged, unsupported } from './damage.js';
import { MAX_MIGRATION_STREAM_BYTES } from './limits.js';
import { cpuCountOf } from './migrationDescription.js';
import { mapBios, mapPcRam } from './migrationMapping.js';
import { MigrationPlaces } from './migrationPlaces.js';
import { MigrationRecords } from './migrationRecords.js';
import { CHUNK_INDEX_BYTES, RamBlock } from './ramBlock.js';
import { SourceWindow } from './sourceWindow.js';

const STEP_PAGES = 4096;
const PAGE_WINDOW_BYTES = 64 * 1024;
/** What the index may take whatever the stream is like. Real streams need 5 bytes for each page, which takes them 9 or more. */
const FREE_INDEX_BYTES = 64 * 1024 ** 2;
const INDEX_BYTES_PER_BYTE = 4;
const RAM_BLOCK = 'pc.ram';
const BIOS_BLOCK = 'pc.bios';

/**
 * Reads a QEMU migration stream of a PC (docs/memory.md): one pass for the places of the pages, of which the last copy
 * counts. A stream that is cut or damaged behind the list of its RAM blocks is read as far as it goes, with a warning.
 *
 * @throws HexzError MEMORY_DAMAGED, MEMORY_UNSUPPORTED, LIMIT
 */
export function* openMigration(source: ByteSource): Generator<MemoryStep, MemoryContainer> {
  if (source.length > MAX_MIGRATION_STREAM_BYTES) {
    throw beyondLimit(`a migration stream of ${source.length} bytes`, 0);
  }
  const warnings: string[] = [];
  const records = new MigrationRecords(source);
  const places = new MigrationPlaces(records);
  const blocks = yield* indexPages(source, records, places, warnings);
  const { machine, capabilities } = records;
  if (capabilities.includes('x-ignore-shared')) {
    warnings.push('memory that the machine shared with others may be absent from the stream');
  }
  const ram = blocks.find(({ name }) => name === RAM_BLOCK);
  if (ram === undefined) {
    const names = blocks.map(({ name }) => `"${name}"`).join(', ');
    throw unsupported(
      `the stream has no RAM block "${RAM_BLOCK}" but ${names}; hexz reads those of PCs`,
    );
  }
  const bios = blocks.find(({ name }) => name === BIOS_BLOCK);
  const ranges = [...(yield* mapPcRam(ram, machine, warnings)), ...mapBios(bios)];
  const cpuCount = cpuCountOf(source);
  const mapped = new Set(ranges.map(({ content }) => content));
  const unmappedBlocks = blocks
    .filter((block) => !mapped.has(block))
    .map(({ name, length }) => ({ name, length }));
  const metadata = {
    architecture: 'x86_64',
    unmappedBlocks,
    ...(machine === undefined ? {} : { machine }),
    ...(cpuCount === undefined ? {} : { cpuCount }),
  };
  return { name: 'qemu-migration', ranges, metadata, warnings };
}

function* indexPages(
  source: ByteSource,
  records: MigrationRecords,
  places: MigrationPlaces,
  warnings: string[],
): Generator<MemoryStep, RamBlock[]> {
  const window = new SourceWindow(source, PAGE_WINDOW_BYTES);
  const blocks: RamBlock[] = [];
  const makeBlocks = (): void => {
    for (const { name, length } of records.blocks) {
      blocks.push(new RamBlock(name, length, window, places));
    }
  };
  let indexBytes = 0;
  let pages = 0;
  try {
    while (records.next()) {
      if (blocks.length === 0) makeBlocks();
      const block = blocks[records.blockIndex];
      if (block === undefined) throw new Error(`RAM block ${records.blockIndex} was not made`);
      const { pageOffset, dataOffset, fillValue } = records;
      const grew =
        dataOffset < 0
          ? block.setFilled(pageOffset, fillValue)
          : block.setStored(pageOffset, dataOffset);
      if (grew) indexBytes += CHUNK_INDEX_BYTES;
      if (indexBytes > FREE_INDEX_BYTES + INDEX_BYTES_PER_BYTE * source.length) {
        throw beyondLimit('pages are spread too thinly over the RAM blocks', records.recordOffset);
      }
      places.mark();
      pages++;
      if (pages % STEP_PAGES === 0) {
        yield { doneBytes: records.offset, totalBytes: source.length };
      }
    }
    if (!records.isComplete) throw damaged('the RAM ends before its last part', records.offset);
  } catch (error) {
    const isDamage = error instanceof HexzError && error.code === 'MEMORY_DAMAGED';
    if (!isDamage || records.blocks.length === 0) throw error;
    const offset = error.location.offset ?? records.offset;
    warnings.push(`offset ${offset}: ${error.message}; pages may be old or not present`);
  }
  if (blocks.length === 0) makeBlocks();
  return blocks;
}

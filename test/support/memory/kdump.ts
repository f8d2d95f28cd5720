import { deflateSync } from 'node:zlib';
import { bundledZstdEncoder } from '../../../src/engine/codec/zstdEncoder.js';
import { type BuiltContainer, ContainerWriter } from './containerWriter.js';
import { type Note, notesOf } from './elfCore.js';
import { GUEST_PAGE_BYTES, type Guest } from './guest.js';

type KdumpCompression = 'none' | 'zlib' | 'zstd' | 'lzo' | 'snappy';

const flags: Readonly<Record<KdumpCompression, number>> = {
  none: 0,
  zlib: 1,
  lzo: 2,
  snappy: 4,
  zstd: 0x20,
};

const zstd = await bundledZstdEncoder();

function compressed(page: Buffer, compression: KdumpCompression): Buffer {
  if (compression === 'zlib') return deflateSync(page);
  if (compression === 'none') return page;
  const target = Buffer.alloc(2 * page.length);
  return target.subarray(0, zstd.encode(page, target));
}

interface KdumpOptions {
  readonly compression?: KdumpCompression;
  /** What the descriptors say, while the header says `compression`. */
  readonly pageCompression?: KdumpCompression;
  readonly notes?: readonly Note[];
  readonly vmcoreinfo?: string;
  readonly status?: number;
  readonly split?: number;
}

/** Pages of 4 GiB and 1 MiB, so that both parts of a guest fit. */
const PAGE_COUNT = 0x10_0100;
const PAD = GUEST_PAGE_BYTES;

/** A kdump as QEMU makes it: equal pages of zeros share one, and what does not compress is stored as it is. */
export function kdumpOf(
  guest: Guest,
  {
    compression = 'zlib',
    pageCompression = compression,
    notes = [],
    vmcoreinfo = '',
    status = flags[compression],
    split = 0,
  }: KdumpOptions = {},
): BuiltContainer {
  const builtNotes = notesOf(notes);
  const bitmapBlocks = 2 * Math.ceil(PAGE_COUNT / 8 / PAD);
  const subHeaderBlocks = 3;
  const textOffset = PAD + 104;
  const notesOffset = textOffset + vmcoreinfo.length;
  const writer = new ContainerWriter('little')
    .bytes('KDUMP   ')
    .number('version', 4, 6)
    .zeros(4 * 65)
    .bytes('x86_64'.padEnd(65, '\0'))
    .zerosUpTo(424)
    .number('status', 4, status)
    .number('block size', 4, PAD)
    .number('sub-header blocks', 4, subHeaderBlocks)
    .number('bitmap blocks', 4, bitmapBlocks)
    .number('max_mapnr', 4, PAGE_COUNT)
    .zeros(16)
    .number('cpu count', 4, 2)
    .zerosUpTo(PAD)
    .zeros(8)
    .number('dump level', 4, 1)
    .number('split', 4, split)
    .zeros(16)
    .number('vmcoreinfo offset', 8, textOffset)
    .number('vmcoreinfo length', 8, vmcoreinfo.length)
    .number('notes offset', 8, notesOffset)
    .number('notes length', 8, builtNotes.bytes.length)
    .zeros(32)
    .number('max_mapnr_64', 8, PAGE_COUNT)
    .bytes(vmcoreinfo)
    .bytes(builtNotes.bytes)
    .zerosUpTo(PAD * (1 + subHeaderBlocks));
  const bitmap = Buffer.alloc((bitmapBlocks * PAD) / 2);
  const addresses = [...guest.pages.keys()].sort((a, b) => a - b);
  for (const address of addresses) {
    const page = address / PAD;
    bitmap[page >>> 3] = (bitmap[page >>> 3] ?? 0) | (1 << (page & 7));
  }
  writer.bytes(bitmap).bytes(bitmap);
  const stored: Buffer[] = [];
  let offset = writer.length + 24 * addresses.length;
  let zeroOffset: number | undefined;
  for (const address of addresses) {
    const page = guest.pages.get(address) ?? Buffer.alloc(PAD);
    const isZero = page.equals(Buffer.alloc(PAD));
    const encoded = compressed(page, compression);
    const isEncoded = encoded.length < PAD;
    const bytes = isEncoded ? encoded : page;
    const at = isZero && zeroOffset !== undefined ? zeroOffset : offset;
    writer
      .number('page offset', 8, at)
      .number('page length', 4, bytes.length)
      .number('page flags', 4, isEncoded ? flags[pageCompression] : 0)
      .zeros(8);
    if (at !== offset) continue;
    if (isZero) zeroOffset = offset;
    stored.push(bytes);
    offset += bytes.length;
  }
  for (const bytes of stored) writer.bytes(bytes);
  const { bytes, fields } = writer.finish();
  const notesFields = builtNotes.fields.map((field) => ({
    ...field,
    offset: field.offset + notesOffset,
  }));
  return { bytes, fields: [...fields, ...notesFields] };
}

/** The flattened form: records that are not in order, and none for zeros. */
export function flattened(plain: Buffer, recordBytes = 3000): BuiltContainer {
  const writer = new ContainerWriter('big')
    .bytes('makedumpfile'.padEnd(16, '\0'))
    .number('flattened type', 8, 1)
    .number('flattened version', 8, 1)
    .zerosUpTo(4096);
  const offsets: number[] = [];
  for (let offset = 0; offset < plain.length; offset += recordBytes) offsets.push(offset);
  const even = offsets.filter((_, index) => index % 2 === 0);
  const odd = offsets.filter((_, index) => index % 2 === 1);
  for (const offset of [...odd, ...even]) {
    const bytes = plain.subarray(offset, offset + recordBytes);
    if (bytes.equals(Buffer.alloc(bytes.length))) continue;
    writer.number('record offset', 8, offset).number('record length', 8, bytes.length).bytes(bytes);
  }
  return writer.number('last offset', 8, -1n).number('last length', 8, -1n).finish();
}

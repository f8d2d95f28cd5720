import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as protocol from '../../../../src/engine/fuse/kernel/protocol.js';
import { type FieldType, Structure } from '../../../../src/engine/fuse/kernel/structure.js';

const HEADER = '/usr/include/linux/fuse.h';
const hasHeader = existsSync(HEADER);

const fieldBytes: Readonly<Record<string, number>> = { uint16_t: 2, uint32_t: 4, int32_t: 4 };

/** Bytes of a structure of the header, whose members follow each other without gaps. */
function bytesInHeader(header: string, name: string): number {
  const body = new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(header)?.[1] ?? '';
  const withoutComments = body.replace(/\/\*[\s\S]*?\*\//g, '');
  let bytes = 0;
  for (const line of withoutComments.split(';')) {
    const nested = /^\s*struct (\w+)\s+\w+\s*$/.exec(line)?.[1];
    if (nested !== undefined) bytes += bytesInHeader(header, nested);
    const [, type = '', count = '1'] = /^\s*(u?int\d+_t)\s+\w+(?:\[(\d+)\])?\s*$/.exec(line) ?? [];
    if (type !== '') bytes += (fieldBytes[type] ?? 8) * Number(count);
  }
  return bytes;
}

describe.skipIf(!hasHeader)(`the kernel's header (needs ${HEADER})`, () => {
  const header = hasHeader ? readFileSync(HEADER, 'utf8') : '';
  test.each([
    ['fuse_in_header', protocol.inHeader],
    ['fuse_out_header', protocol.outHeader],
    ['fuse_init_out', protocol.initOut],
    ['fuse_entry_out', protocol.entryOut],
    ['fuse_attr_out', protocol.attributesOut],
    ['fuse_setattr_in', protocol.setAttributesIn],
    ['fuse_open_in', protocol.openIn],
    ['fuse_open_out', protocol.openOut],
    ['fuse_read_in', protocol.transferIn],
    ['fuse_write_in', protocol.transferIn],
    ['fuse_write_out', protocol.writeOut],
    ['fuse_statfs_out', protocol.statisticsOut],
    ['fuse_mknod_in', protocol.mknodIn],
    ['fuse_mkdir_in', protocol.mkdirIn],
    ['fuse_link_in', protocol.linkIn],
    ['fuse_rename_in', protocol.renameIn],
    ['fuse_rename2_in', protocol.rename2In],
  ])('%s is as long as ours', (name, { bytes }) => {
    expect(bytes).toBe(bytesInHeader(header, name));
  });

  test.each(Object.entries(protocol.operations))('operation %s is %i', (name, number) => {
    expect(header).toMatch(new RegExp(`\\bFUSE_${name}\\s*= ${number},`));
  });

  test.each(Object.entries(protocol.initFlags))('flag %s is %i', (name, flag) => {
    const bit = Math.log2(flag);
    expect(header).toMatch(new RegExp(`\\bFUSE_${name}\\s*\\(1 << ${bit}\\)`));
  });

  test.each(Object.entries(protocol.setAttributeFlags))('FATTR_%s is %i', (name, flag) => {
    const bit = Math.log2(flag);
    expect(header).toMatch(new RegExp(`\\bFATTR_${name}\\s*\\(1 << ${bit}\\)`));
  });
});

const ranges: Readonly<Record<FieldType, readonly [number, number]>> = {
  u16: [0, 2 ** 16 - 1],
  u32: [0, 2 ** 32 - 1],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u64: [0, Number.MAX_SAFE_INTEGER],
  i64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

test('a structure is read as it was written', () => {
  const fields = { a: 'u16', b: 'u16', c: 'u32', d: 'u64', e: 'i64', f: 'i32', g: 'u32' } as const;
  const structure = new Structure(fields);
  const values = fc.record(
    Object.fromEntries(
      Object.entries(fields).map(([name, type]) => {
        const [min, max] = ranges[type];
        return [name, fc.integer({ min, max })];
      }),
    ) as Record<keyof typeof fields, fc.Arbitrary<number>>,
  );
  fc.assert(
    fc.property(values, fc.nat(16), (given, offset) => {
      const bytes = Buffer.alloc(offset + structure.bytes);
      structure.encode(given, bytes, offset);
      expect(structure.decode(bytes, offset)).toEqual(given);
    }),
  );
});

test('what an older kernel does not send is 0', () => {
  const structure = new Structure({ old: 'u32', young: 'u64' });
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(7);
  expect(structure.decode(bytes)).toEqual({ old: 7, young: 0 });
});

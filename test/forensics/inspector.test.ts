import { expect, test } from 'vitest';
import { inspectBytes } from '../../src/forensics/inspector.js';

const valuesOf = (bytes: Buffer): Record<string, string> =>
  Object.fromEntries(inspectBytes(bytes).map(({ name, value }) => [name, value]));

const eight = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
};

test('integers and floating-point numbers of both byte orders', () => {
  expect(valuesOf(Buffer.from('fffefdfcfbfaf9f8', 'hex'))).toMatchObject({
    u8: '255',
    i8: '-1',
    u16le: '65279',
    u16be: '65534',
    i16le: '-257',
    i16be: '-2',
    u32le: '4244504319',
    i32be: '-66052',
    u64le: '17940646550795321087',
    u64be: '18446460386757245432',
    i64le: '-506097522914230529',
    i64be: '-283686952306184',
  });
  expect(valuesOf(Buffer.from('cdcccc3d3fb99999', 'hex')).f32le).toBe('0.1');
  expect(valuesOf(Buffer.from('3fb999999999999a', 'hex')).f64be).toBe('0.1');
  expect(valuesOf(Buffer.from('00000080', 'hex')).f32le).toBe('-0');
  expect(valuesOf(Buffer.from('7f800000', 'hex')).f32be).toBe('Infinity');
  expect(valuesOf(Buffer.from('7fc00000', 'hex')).f32be).toBe('NaN');
});

test('times, where a calendar holds them', () => {
  expect(valuesOf(eight(1_700_000_000n))).toMatchObject({
    unix32le: '2023-11-14T22:13:20.000Z',
    unix64le: '2023-11-14T22:13:20.000Z',
    filetime: '1601-01-01T00:02:50.000Z',
  });
  expect(valuesOf(eight(1_700_000_000_123n)).unixms64le).toBe('2023-11-14T22:13:20.123Z');
  expect(valuesOf(eight(116_444_736_000_000_000n)).filetime).toBe('1970-01-01T00:00:00.000Z');
  expect(valuesOf(eight(-1n)).unix32le).toBe('1969-12-31T23:59:59.000Z');
  const far = valuesOf(eight(2n ** 62n));
  expect(far.unix64le).toBeUndefined();
  expect(far.unixms64le).toBeUndefined();
});

test('UUIDs of both orders', () => {
  const bytes = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  expect(valuesOf(bytes)).toMatchObject({
    uuid: '00112233-4455-6677-8899-aabbccddeeff',
    guid: '33221100-5544-7766-8899-aabbccddeeff',
  });
});

test('addresses, by the half that they are in', () => {
  const noteOf = (address: bigint) =>
    inspectBytes(eight(address)).find(({ kind }) => kind === 'pointer')?.note;
  expect(noteOf(0x7fff_1234_5678n)).toBe('user half');
  expect(noteOf(0xffff_8880_0000_1000n)).toBe('kernel half');
  expect(noteOf(0xffff_ffff_8100_0000n)).toContain('Linux');
  for (const none of [0n, 4096n, 0x8000_0000_0000n, 0xffff_7fff_ffff_ffffn, -1n, -4096n]) {
    expect(noteOf(none)).toBeUndefined();
  }
});

test('text, up to what is none', () => {
  expect(valuesOf(Buffer.from('grün\0x'))).toMatchObject({ 'utf-8': 'grün' });
  expect(valuesOf(Buffer.from('grün\0x', 'utf16le'))).toMatchObject({ 'utf-16le': 'grün' });
  expect(valuesOf(Buffer.from('\0'))['utf-8']).toBeUndefined();
  expect(valuesOf(Buffer.alloc(200, 'a'))['utf-8']).toHaveLength(64);
});

test('at the end, only what the bytes are enough for; always what JSON can hold', () => {
  expect(Object.keys(valuesOf(Buffer.alloc(0)))).toEqual([]);
  expect(Object.keys(valuesOf(Buffer.from([1])))).toEqual(['u8', 'i8']);
  expect(valuesOf(Buffer.alloc(7)).u64le).toBeUndefined();
  const all = inspectBytes(Buffer.alloc(64, 0x41));
  expect(JSON.parse(JSON.stringify(all))).toEqual(all);
  for (const { length } of all) expect(length).toBeLessThanOrEqual(64);
});

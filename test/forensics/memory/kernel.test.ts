import { describe, expect, test } from 'vitest';
import { identifyKernel, type KernelIdentity } from '../../../src/forensics/memory/banner.js';
import { guestSource, presentRanges } from '../../../src/forensics/memory/guestSource.js';
import { openMemory, toEnd } from '../../../src/forensics/memory/open.js';
import { translate } from '../../../src/forensics/memory/pageTables.js';
import { parsePattern } from '../../../src/forensics/search/pattern.js';
import { search } from '../../../src/forensics/search/search.js';
import { codeOf } from '../../support/errors.js';
import { countedSource } from '../../support/memory/guest.js';
import { limeOf } from '../../support/memory/lime.js';

const banner = (release: string, build = 1): string =>
  `Linux version ${release} (somebody@somewhere) (gcc 12.2.0) #${build} SMP Debian`;

const IMAGE_BASE = 0xffff_ffff_8000_0000n;
const TEXT_ADDRESS = 0x20_0000;
const TABLES = 0x10_0000;

const vmcoreinfo = (release: string, root = TABLES): string =>
  [
    `OSRELEASE=${release}`,
    'PAGESIZE=4096',
    `SYMBOL(init_top_pgt)=${(IMAGE_BASE + BigInt(root)).toString(16)}`,
    `SYMBOL(_stext)=${(IMAGE_BASE + BigInt(TEXT_ADDRESS)).toString(16)}`,
    'NUMBER(phys_base)=0',
    'NUMBER(pgtable_l5_enabled)=0',
    '',
  ].join('\n');

/** Page tables that map the kernel's image to address 0 on, in pages of 2 MiB. */
function writeTables(bytes: Buffer): void {
  const entry = (table: number, index: number, value: number): void => {
    bytes.writeBigUInt64LE(BigInt(value), table + 8 * index);
  };
  entry(TABLES, 511, (TABLES + 0x1000) | 3);
  entry(TABLES + 0x1000, 510, (TABLES + 0x2000) | 3);
  for (let index = 0; index < 4; index++) entry(TABLES + 0x2000, index, (index * 0x20_0000) | 0x83);
}

function identify(texts: Readonly<Record<number, string>>, tables = true): KernelIdentity {
  const bytes = Buffer.alloc(4 * 1024 ** 2);
  if (tables) writeTables(bytes);
  for (const [address, text] of Object.entries(texts)) bytes.write(text, Number(address), 'latin1');
  return toEnd(identifyKernel(openMemory(countedSource(bytes))));
}

describe('the banner', () => {
  test('is the whole one, not the one of the log', () => {
    const { banner: found } = identify({
      4096: `${banner('6.1.0')} and something`,
      12288: `<5>[ 0.0] ${banner('6.1.0')}\nmore of the log\n`,
      20496: `${banner('6.1.0')}\n\0`,
      28672: 'Linux version %s',
      36864: 'Linux version 6.1.0\n\0',
    });
    expect(found).toEqual({ text: banner('6.1.0'), release: '6.1.0', address: 0x5010 });
  });

  test('is the one of the kernel that VMCOREINFO tells', () => {
    const { banner: found, vmcoreinfo: info } = identify({
      4096: `${banner('5.10.0')}\n\0`,
      12288: banner('6.1.0'),
      20480: vmcoreinfo('6.1.0'),
    });
    expect(found?.release).toBe('6.1.0');
    expect(info?.release).toBe('6.1.0');
  });

  test('is the one within the image, of several that are whole', () => {
    const { banner: found } = identify({
      4096: `${banner('6.1.0', 1)}\n\0`,
      [TEXT_ADDRESS + 0x100]: `${banner('6.1.0', 2)}\n\0`,
      20480: vmcoreinfo('6.1.0'),
    });
    expect(found?.address).toBe(TEXT_ADDRESS + 0x100);
  });

  test('is not made up', () => {
    const identity = identify({ 4096: 'Linux version unknown' });
    expect(identity).toEqual({ banner: undefined, vmcoreinfo: undefined, warnings: [] });
  });

  test('of another kernel than VMCOREINFO tells is warned about', () => {
    const { warnings } = identify({ 4096: `${banner('5.10.0')}\n\0`, 20480: vmcoreinfo('6.1.0') });
    expect(warnings).toEqual([expect.stringContaining('two kernels')]);
  });
});

describe('VMCOREINFO', () => {
  test('is the one whose page tables lead to the kernel', () => {
    const { vmcoreinfo: info } = identify({
      4096: vmcoreinfo('5.10.0', 0x8000),
      12288: 'OSRELEASE=4.0\nand no more',
      20480: vmcoreinfo('6.1.0'),
    });
    expect(info?.release).toBe('6.1.0');
    expect(info?.symbol('_stext')).toBe(IMAGE_BASE + BigInt(TEXT_ADDRESS));
    expect(info?.number('phys_base')).toBe(0n);
    expect(info?.physicalOf('_stext')).toBe(TEXT_ADDRESS);
  });

  test('is the first one where none fits', () => {
    const { vmcoreinfo: info } = identify(
      { 4096: vmcoreinfo('5.10.0'), 20480: vmcoreinfo('6.1.0') },
      false,
    );
    expect(info?.release).toBe('5.10.0');
  });
});

test('page tables are walked down to small pages and stop where nothing is', () => {
  const bytes = Buffer.alloc(0x8000);
  const entry = (table: number, index: number, value: bigint): void => {
    bytes.writeBigUInt64LE(value, table + 8 * index);
  };
  entry(0x1000, 1, 0x2003n);
  entry(0x2000, 2, 0x3003n);
  entry(0x3000, 3, 0x4003n);
  // No-execute, and bits that software uses.
  entry(0x4000, 4, 0x8000_0000_0000_5e67n);
  entry(0x2000, 5, 0x4000_0083n);
  entry(0x2000, 6, 0x9999_9000n + 3n);
  const memory = openMemory(countedSource(bytes));
  const address = (level4: bigint, level3: bigint, level2: bigint, level1: bigint, inner: bigint) =>
    (level4 << 39n) | (level3 << 30n) | (level2 << 21n) | (level1 << 12n) | inner;
  expect(translate(memory, 0x1000, address(1n, 2n, 3n, 4n, 0x123n), 4)).toBe(0x5123);
  expect(translate(memory, 0x1000, address(1n, 5n, 1n, 1n, 1n), 4)).toBe(0x4020_1001);
  expect(translate(memory, 0x1000, address(1n, 2n, 3n, 5n, 0n), 4)).toBeUndefined();
  expect(translate(memory, 0x1000, address(1n, 6n, 0n, 0n, 0n), 4)).toBeUndefined();
  entry(0, 7, 0x1003n);
  const five = (7n << 48n) | address(1n, 2n, 3n, 4n, 5n);
  expect(translate(memory, 0, five, 5)).toBe(0x5005);
});

test('a search finds what lies in present memory, and nothing across a hole', () => {
  const bytes = Buffer.from('needle and nee');
  const memory = openMemory(
    countedSource(
      limeOf([
        { address: 100, bytes },
        { address: 114, bytes: Buffer.from('dle; nee') },
        { address: 123, bytes: Buffer.from('dle; needle') },
      ]).bytes,
    ),
  );
  const steps = search(guestSource(memory), parsePattern('needle'), {
    ranges: presentRanges(memory),
  });
  const offsets = [...steps].flatMap((step) => (step.kind === 'match' ? [step.offset] : []));
  expect(offsets).toEqual([100, 111, 128]);
  expect(codeOf(() => guestSource(memory).readInto(120, Buffer.alloc(4)))).toBe('NOT_PRESENT');
  expect(guestSource(memory).readInto(130, Buffer.alloc(10))).toBe(4);
});

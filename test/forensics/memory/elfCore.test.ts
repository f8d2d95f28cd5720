import { expect, test } from 'vitest';
import { openMemory } from '../../../src/forensics/memory/open.js';
import { codeOf } from '../../support/errors.js';
import { elfCoreOf } from '../../support/memory/elfCore.js';
import { countedSource, markedPage } from '../../support/memory/guest.js';

const runs = [{ address: 0x1000, bytes: markedPage(0x1000) }];
const open = (bytes: Buffer) => openMemory(countedSource(bytes));

test('its notes tell how many CPUs there are, and VMCOREINFO', () => {
  const data = Buffer.alloc(336);
  const notes = [
    { name: 'CORE', type: 1, data },
    { name: 'CORE', type: 1, data },
    { name: 'QEMU', type: 0, data: Buffer.alloc(441) },
    { name: 'VMCOREINFO', type: 0, data: Buffer.from('OSRELEASE=9.9\n') },
  ];
  expect(open(elfCoreOf(runs, { notes }).bytes).metadata).toEqual({
    architecture: 'x86_64',
    cpuCount: 2,
    vmcoreinfo: 'OSRELEASE=9.9\n',
  });
  expect(open(elfCoreOf(runs).bytes).metadata).toEqual({ architecture: 'x86_64' });
});

test('bytes that the dump left out of a range are not present', () => {
  const memory = open(elfCoreOf(runs, { leftOutBytes: 4096 }).bytes);
  expect(memory.presentLength(0x1000)).toBe(4096);
  expect(memory.warnings).toEqual([expect.stringContaining('4096 bytes were left out')]);
});

test('more headers than 16 bits can count are counted in the section table', () => {
  const memory = open(elfCoreOf(runs, { countInSection: true }).bytes);
  expect(memory.presentLength(0x1000)).toBe(4096);
});

test('a core that is cut keeps what is left', () => {
  const { bytes } = elfCoreOf(runs);
  const memory = open(bytes.subarray(0, bytes.length - 96));
  expect(memory.presentLength(0x1000)).toBe(4000);
  expect(memory.warnings).toEqual([expect.stringContaining('end of the stream')]);
});

test('other ELF files are refused', () => {
  const { bytes } = elfCoreOf(runs);
  const changed = (offset: number, value: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy[offset] = value;
    return copy;
  };
  expect(codeOf(() => open(changed(4, 1)))).toBe('MEMORY_UNSUPPORTED');
  expect(codeOf(() => open(changed(5, 2)))).toBe('MEMORY_UNSUPPORTED');
  expect(codeOf(() => open(changed(16, 2)))).toBe('MEMORY_UNSUPPORTED');
  expect(open(changed(18, 183)).metadata.architecture).toBe('aarch64');
});

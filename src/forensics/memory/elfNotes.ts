import { hex } from './damage.js';

const PRSTATUS = 1;
const HEADER_BYTES = 12;
const aligned = (length: number): number => Math.ceil(length / 4) * 4;

/** What the notes of a dump tell. */
export interface DumpNotes {
  readonly cpuCount: number | undefined;
  readonly vmcoreinfo: string | undefined;
  readonly warnings: readonly string[];
}

/**
 * Reads ELF notes: {u32 name length, u32 data length, u32 type, name, data}, both padded to 4 bytes, little endian.
 * What comes behind a damaged note is left out.
 */
export function parseNotes(notes: Buffer): DumpNotes {
  let statusCount = 0;
  let machineCount = 0;
  let vmcoreinfo: string | undefined;
  const warnings: string[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= notes.length) {
    const nameLength = notes.readUInt32LE(at);
    const dataLength = notes.readUInt32LE(at + 4);
    const type = notes.readUInt32LE(at + 8);
    const dataStart = at + HEADER_BYTES + aligned(nameLength);
    const dataEnd = dataStart + dataLength;
    if (dataEnd > notes.length) {
      warnings.push(
        `a note of ${hex(dataLength)} bytes is longer than the notes; the rest is not read`,
      );
      break;
    }
    const name = notes
      .toString('latin1', at + HEADER_BYTES, at + HEADER_BYTES + nameLength)
      .replace(/\0+$/, '');
    if (name === 'CORE' && type === PRSTATUS) statusCount++;
    if (name === 'QEMU') machineCount++;
    if (name === 'VMCOREINFO') {
      vmcoreinfo = notes.toString('latin1', dataStart, dataEnd).replace(/\0+$/, '');
    }
    at = dataStart + aligned(dataLength);
  }
  const cpuCount = Math.max(statusCount, machineCount);
  return { cpuCount: cpuCount === 0 ? undefined : cpuCount, vmcoreinfo, warnings };
}

import { type BuiltContainer, ContainerWriter } from './containerWriter.js';
import type { Run } from './guest.js';

export interface Note {
  readonly name: string;
  readonly type: number;
  readonly data: Buffer;
}

const aligned = (length: number): number => Math.ceil(length / 4) * 4;

export function notesOf(notes: readonly Note[]): BuiltContainer {
  const writer = new ContainerWriter('little');
  for (const { name, type, data } of notes) {
    writer
      .number('note name length', 4, name.length + 1)
      .number('note data length', 4, data.length)
      .number('note type', 4, type)
      .bytes(`${name}\0`)
      .zeros(aligned(name.length + 1) - name.length - 1)
      .bytes(data)
      .zeros(aligned(data.length) - data.length);
  }
  return writer.finish();
}

/** An ELF core with a section table before its program headers, and data that is not aligned. */
export function elfCoreOf(
  runs: readonly Run[],
  { notes = [] as readonly Note[], leftOutBytes = 0, countInSection = false } = {},
): BuiltContainer {
  const built = notesOf(notes);
  const headersOffset = 192;
  const notesOffset = headersOffset + 56 * (runs.length + 1);
  const writer = new ContainerWriter('little')
    .bytes('\x7fELF\x02\x01\x01')
    .zerosUpTo(16)
    .number('e_type', 2, 4)
    .number('e_machine', 2, 62)
    .number('e_version', 4, 1)
    .number('e_entry', 8, 0)
    .number('e_phoff', 8, headersOffset)
    .number('e_shoff', 8, 64)
    .number('e_flags', 4, 0)
    .number('e_ehsize', 2, 64)
    .number('e_phentsize', 2, 56)
    .number('e_phnum', 2, countInSection ? 0xffff : runs.length + 1)
    .number('e_shentsize', 2, 64)
    .number('e_shnum', 2, 2)
    .number('e_shstrndx', 2, 1)
    .zerosUpTo(64 + 44)
    .number('sh_info', 4, runs.length + 1)
    .zerosUpTo(headersOffset);
  const header = (type: number, offset: number, address: number, file: number, memory: number) =>
    writer
      .number('p_type', 4, type)
      .number('p_flags', 4, 0)
      .number('p_offset', 8, offset)
      .number('p_vaddr', 8, address)
      .number('p_paddr', 8, address)
      .number('p_filesz', 8, file)
      .number('p_memsz', 8, memory)
      .number('p_align', 8, 0);
  header(4, notesOffset, 0, built.bytes.length, built.bytes.length);
  let offset = notesOffset + built.bytes.length;
  for (const { address, bytes } of runs) {
    header(1, offset, address, bytes.length, bytes.length + leftOutBytes);
    offset += bytes.length;
  }
  const notesFields = built.fields.map((field) => ({
    ...field,
    offset: field.offset + notesOffset,
  }));
  writer.bytes(built.bytes);
  for (const { bytes } of runs) writer.bytes(bytes);
  const { bytes, fields } = writer.finish();
  return { bytes, fields: [...fields, ...notesFields] };
}

import { type BuiltContainer, ContainerWriter } from './containerWriter.js';
import { GUEST_PAGE_BYTES, type Guest } from './guest.js';

export interface MigrationOptions {
  readonly machine?: string;
  /** Pages of pc.ram that are sent before, with other bytes, by their offsets. */
  readonly older?: ReadonlyMap<number, Buffer>;
  readonly bios?: Buffer;
  readonly capabilities?: readonly string[];
  /** What follows the length of each RAM block. */
  readonly blockDetail?: bigint;
  readonly ramName?: string;
  readonly ramVersion?: number;
  /** More flags of the first page. */
  readonly flags?: number;
}

const RAM_ID = 2;

/** A migration stream: all pages that the guest has, in two parts, and devices whose length nobody tells. */
export function migrationOf(
  guest: Guest,
  {
    machine = 'pc-i440fx-7.2',
    older = new Map(),
    bios = Buffer.alloc(8192, 0xb1),
    capabilities = [],
    blockDetail,
    ramName = 'pc.ram',
    ramVersion = 4,
    flags = 0,
  }: MigrationOptions = {},
): BuiltContainer {
  const writer = new ContainerWriter('big')
    .bytes('QEVM')
    .number('version', 4, 3)
    .number('configuration', 1, 7)
    .number('machine length', 4, machine.length)
    .bytes(machine);
  if (capabilities.length > 0) {
    writer.number('subsection', 1, 5).named('subsection', 'configuration/capabilities');
    writer.number('subsection version', 4, 1).number('capabilities', 4, capabilities.length);
    for (const capability of capabilities) writer.named('capability', capability);
  }
  const footer = () => writer.number('footer', 1, 0x7e).number('footer id', 4, RAM_ID);
  writer
    .number('start', 1, 1)
    .number('section id', 4, RAM_ID)
    .named('section name', 'ram')
    .number('instance', 4, 0)
    .number('section version', 4, ramVersion)
    .number('sizes', 8, (guest.ramBytes + bios.length) | 4);
  for (const [name, length] of [
    [ramName, guest.ramBytes],
    ['pc.bios', bios.length],
  ] as const) {
    writer.named('block', name).number('block bytes', 8, length);
    if (blockDetail !== undefined) writer.number('block detail', 8, blockDetail);
  }
  writer.number('end of sizes', 8, 0x10);
  footer();
  writer.number('part', 1, 2).number('part id', 4, RAM_ID);
  let lastBlock: string | undefined;
  let moreFlags = flags;
  const page = (block: string, offset: number, bytes: Buffer) => {
    const isFilled = bytes.equals(Buffer.alloc(bytes.length, bytes[0]));
    const same = block === lastBlock ? 0x20 : 0;
    writer.number('page', 8, BigInt(offset | (isFilled ? 2 : 8) | same | moreFlags));
    moreFlags = 0;
    if (same === 0) writer.named('block of page', block);
    writer.bytes(isFilled ? bytes.subarray(0, 1) : bytes);
    lastBlock = block;
  };
  for (const [offset, bytes] of older) page(ramName, offset, bytes);
  for (let offset = 0; offset < bios.length; offset += GUEST_PAGE_BYTES) {
    page('pc.bios', offset, bios.subarray(offset, offset + GUEST_PAGE_BYTES));
  }
  writer.number('end of part', 8, 0x10);
  footer();
  writer.number('last part', 1, 3).number('part id', 4, RAM_ID);
  for (let offset = 0; offset < guest.ramBytes; offset += GUEST_PAGE_BYTES) {
    const bytes = guest.pages.get(guest.addressOf(offset));
    if (bytes !== undefined) page(ramName, offset, bytes);
  }
  writer.number('end of last part', 8, 0x10);
  footer();
  const description = JSON.stringify({
    page_size: GUEST_PAGE_BYTES,
    devices: [{ name: 'timer' }, { name: 'cpu' }, { name: 'cpu' }, { name: 'serial' }],
  });
  return writer
    .number('device', 1, 4)
    .bytes(Buffer.from('0000000305timer and what else there is', 'latin1'))
    .number('end of stream', 1, 0)
    .number('description', 1, 6)
    .number('description length', 4, description.length)
    .bytes(description)
    .finish();
}

import { type BuiltContainer, ContainerWriter } from './containerWriter.js';
import type { Run } from './guest.js';

export function limeOf(runs: readonly Run[]): BuiltContainer {
  const writer = new ContainerWriter('little');
  for (const { address, bytes } of runs) {
    writer
      .number('magic', 4, 0x4c69_4d45)
      .number('version', 4, 1)
      .number('first address', 8, address)
      .number('last address', 8, address + bytes.length - 1)
      .number('reserved', 8, 0)
      .bytes(bytes);
  }
  return writer.finish();
}

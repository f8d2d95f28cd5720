import type { ByteSource } from '../byteSource.js';
import type { MemoryContainer } from './container.js';
import { StoredContent } from './storedContent.js';

/** Memory without a container: byte n of the stream is guest-physical address n. */
export function openRaw(source: ByteSource): MemoryContainer {
  const range = {
    startAddress: 0,
    length: source.length,
    backing: 'memory',
    content: new StoredContent(source),
    contentOffset: 0,
  };
  return { name: 'raw', ranges: [range], metadata: {}, warnings: [] };
}

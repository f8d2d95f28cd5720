import { HexzError } from '../../src/engine/errors.js';
import type { Source } from '../../src/engine/snapshot/source.js';

/** Bytes in memory that stand for a file at a path; parents are looked for beside that path. */
export function memorySource(path: string, bytes: Buffer): Source {
  return {
    path,
    identity: `memory:${path}`,
    length: bytes.length,
    read(target, offset) {
      if (offset < 0 || offset + target.length > bytes.length) {
        throw new HexzError('UNREADABLE', 'read outside the source', { location: { file: path } });
      }
      bytes.copy(target, 0, offset, offset + target.length);
    },
    close() {},
  };
}

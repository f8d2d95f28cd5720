// Mounts a volume in memory and serves it from a process of its own. The parent is told of its fate
// and may ask for what the volume was asked.

import { HexzError } from '../../../src/engine/errors.js';
import { chooseBackend } from '../../../src/engine/fuse/backends.js';
import { FileSystem } from '../../../src/engine/fuse/fileSystem.js';
import { MemoryVolume } from './memoryVolume.js';
import type { Message, Request, Settings } from './mountServer.js';
import { patternBytes } from './pattern.js';

const tell = (message: Message) => process.send?.(message);

const settings = JSON.parse(process.argv[2] ?? '') as Settings;
const { mountpoint, diskBytes, memoryBytes, isWritable, uid, gid, modifiedAt } = settings;
const volume = new MemoryVolume(
  patternBytes(diskBytes),
  memoryBytes === undefined ? undefined : patternBytes(memoryBytes),
  isWritable,
);
if (settings.damage !== undefined) volume.damage = { stream: 'disk', ...settings.damage };
const errors: string[] = [];
const fileSystem = new FileSystem(volume, {
  uid,
  gid,
  modifiedAt: new Date(modifiedAt),
  freeBytes: () => settings.freeBytes ?? 0,
  onError: (operation, error) => errors.push(`${operation}: ${String(error)}`),
});

process.on('message', (request: Request) => {
  if (request !== 'report') {
    volume.bytes('disk').fill(request.byte);
    tell({ kind: 'filled' });
    return;
  }
  const { reads, writes, syncCount } = volume;
  tell({ kind: 'report', report: { reads, writes, syncCount, errors } });
});
try {
  const backend = chooseBackend(undefined);
  await backend.check({ allowOther: settings.allowOther });
  const connection = await backend.mount(fileSystem, {
    mountpoint,
    allowOther: settings.allowOther,
    isReadOnly: !isWritable,
    onBug: (error) => {
      throw error;
    },
  });
  tell({ kind: 'mounted' });
  await connection.ended;
  tell({ kind: 'ended' });
} catch (error) {
  if (!(error instanceof HexzError)) throw error;
  tell({ kind: 'failed', code: error.code, line: error.toLine() });
}
// Nothing else may keep this process alive.
process.disconnect();

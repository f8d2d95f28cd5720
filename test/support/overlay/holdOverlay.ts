// Opens an overlay, writes into it, and keeps it open until it is killed. `locks.test.ts` starts it.
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { MemoryBase, markedBytes } from './memoryBase.js';

interface Settings {
  readonly path: string;
  readonly access: 'read' | 'write';
  readonly mountpoint: string;
  readonly baseLength: number;
  readonly writes: readonly { readonly offset: number; readonly text: string }[];
}

const settings = JSON.parse(process.argv[2] ?? '') as Settings;
const base = new MemoryBase(markedBytes(settings.baseLength, 0));
const overlay = Overlay.open({ ...settings, base });
for (const { offset, text } of settings.writes) overlay.write(offset, Buffer.from(text));
process.send?.('open');
// The channel to the test keeps this process alive, and ends it with the test.
process.on('disconnect', () => process.exit());

// Freezes an overlay, overwrites what is frozen, and goes on until it is killed. `frozen.test.ts` starts it.
import { fstatSync } from 'node:fs';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { MemoryBase, markedBytes } from './memoryBase.js';

const [path = ''] = process.argv.slice(2);
const overlay = Overlay.open({ path, base: new MemoryBase(markedBytes(150, 0)), access: 'write' });
overlay.write(0, markedBytes(100_000, 1));
const instant = await overlay.freeze();
overlay.write(0, markedBytes(100_000, 2));
process.send?.(fstatSync(instant.shared.preservedFile.descriptor).size);
// The channel to the test keeps this process alive, and ends it with the test.
process.on('disconnect', () => process.exit());

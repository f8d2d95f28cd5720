import { unmount } from '../engine/process/unmount.js';
import type { MachineOptions } from './arguments.js';
import { printable, printJson } from './output.js';

export interface UnmountCommandOptions extends MachineOptions {
  readonly lazy?: boolean;
}

/** `hexz unmount MOUNTPOINT [--lazy] [--json]` */
export async function unmountCommand(path: string, options: UnmountCommandOptions): Promise<void> {
  const { mountpoint, servingPid } = await unmount(path, { isLazy: options.lazy === true });
  if (options.json === true) {
    printJson({ mountpoint, servingPid });
    return;
  }
  const rest =
    servingPid === null ? '' : `; process ${servingPid} still serves what is open, then it ends`;
  process.stdout.write(`Unmounted ${printable(mountpoint)}${rest}\n`);
}

import { type UnmountResult, unmount } from '../engine/process/unmount.js';
import type { MachineOptions } from './arguments.js';
import { printable, printJson } from './output.js';

export interface UnmountCommandOptions extends MachineOptions {
  readonly lazy?: boolean;
}

/** `hexz unmount MOUNTPOINT [--lazy] [--json]` */
export async function unmountCommand(path: string, options: UnmountCommandOptions): Promise<void> {
  const result = await unmount(path, { isLazy: options.lazy === true });
  if (options.json === true) printJson(result);
  else process.stdout.write(`Unmounted ${printable(result.mountpoint)}${engineText(result)}\n`);
}

function engineText({ engine, servingPid }: UnmountResult): string {
  switch (engine) {
    case 'ended':
      return '';
    case 'serving':
      return `; process ${servingPid} still serves what is open, then it ends`;
    case 'unknown':
      return '; its engine could not be found; the overlay may still be flushing';
  }
}

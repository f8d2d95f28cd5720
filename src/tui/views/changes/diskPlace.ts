import { formatOffset } from '../../../repl/rendering/values.js';
import type { ScreenContext } from '../view.js';

/** A screen with a Disk view can show a place there. */
interface ShowsOffsets {
  showOffset(stream: 'disk' | 'memory', offset: number): void;
}

const showsOffsets = (context: ScreenContext): context is ScreenContext & ShowsOffsets =>
  'showOffset' in context;

/** Opens a place of the disk in the Disk view, or what `read` says of it. */
export function showOnDisk(context: ScreenContext, offset: number): void {
  if (showsOffsets(context)) context.showOffset('disk', offset);
  else void context.run(`read disk ${formatOffset(offset)} 256`);
}

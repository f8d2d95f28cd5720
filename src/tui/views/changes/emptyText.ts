import { printable } from '../../../repl/rendering/values.js';
import type { ScreenContext } from '../view.js';

/** Why there is no change to show, and what would make one; undefined where there is one. */
export function whyEmpty({ engine }: ScreenContext): string | undefined {
  const { overlay, mount, snapshot } = engine.state;
  if (overlay === null) {
    return `There is no overlay: this snapshot is shown read-only, so nothing can change. Leave with q and start again with --rw to write into a temporary overlay, or with --rw --overlay FILE to keep it:\n\n  hexz inspect ${printable(snapshot.path)} --rw`;
  }
  if (engine.dirtyPages > 0) return undefined;
  if (!overlay.isWritable) {
    return 'The overlay is empty, and mounted read-only: start with --rw to write into it.';
  }
  const place =
    mount === null
      ? 'Nothing is mounted: :mount DIRECTORY mounts it, and :write (after :set write on) writes bytes.'
      : `What is written to ${printable(mount.mountpoint)}/disk stands here at once; :write (after :set write on) writes, too.`;
  return `Nothing is dirty yet: the disk is as the snapshot has it.\n\n${place}`;
}

import { formatBytes, printable } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, inside, type Size } from '../../drawing/panel.js';
import { wrap } from '../../drawing/text.js';
import type { Theme } from '../../drawing/theme.js';
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
  return `${unchangedText(engine.diskLength, snapshot.streams.disk?.length ?? 0)}\n\n${place}`;
}

/** Of a disk without dirty pages the length may have changed all the same. */
function unchangedText(diskLength: number, baseLength: number): string {
  if (diskLength === baseLength) return 'Nothing is dirty yet: the disk is as the snapshot has it.';
  const lengths = `${formatBytes(diskLength)} long, in the snapshot ${formatBytes(baseLength)}`;
  const isEmpty =
    diskLength === 0 ? 'The disk is empty, and so no page is dirty' : 'No page is dirty';
  return `${isEmpty}. But the disk is ${lengths}: a commit makes it as long as it is now.`;
}

/** Why a list has nothing in it yet. */
export const unlistedText = ({ engine }: ScreenContext): string =>
  engine.end === undefined ? 'listing …' : 'this was not listed before the engine ended';

export function drawWhyEmpty(why: string, theme: Theme, size: Size, title: string): string[] {
  const { columns } = inside(size);
  const rows = wrap(why, Math.max(1, columns - 2)).map((text) =>
    new Line(theme, columns).add(` ${text}`, 'dim').end(),
  );
  return framed(rows, theme, size, title);
}

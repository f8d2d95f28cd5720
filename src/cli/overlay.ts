import {
  compactOverlay,
  type OverlayChange,
  type OverlayReport,
  repairOverlay,
  verifyOverlay,
} from '../engine/overlay/maintenance.js';
import type { BaseDisk } from '../engine/overlay/mergedDisk.js';
import { PAGE_BYTES } from '../engine/overlay/pages.js';
import { checkOverlayOf } from '../engine/volume/openOverlay.js';
import { baseDiskOf } from '../engine/volume/volume.js';
import type { ReadOptions } from './arguments.js';
import { basePathOf, openBase } from './base.js';
import { formatBytes, formatCount, printable, printJson } from './output.js';

export interface OverlayCommandOptions extends ReadOptions {
  readonly base?: string;
  readonly force?: boolean;
}

const EXIT_DAMAGED = 1;

/** `hexz overlay verify OVERLAY [--base SNAP] [--json]`; answers with the exit status. */
export async function verify(path: string, options: OverlayCommandOptions): Promise<number> {
  const { base } = options;
  const report =
    base === undefined
      ? await verifyOverlay(path)
      : await withBase(base, path, options, (disk) => verifyOverlay(path, disk));
  const isOk = report.findings.every(({ isDamage }) => !isDamage);
  if (options.json === true) printJson({ path, ok: isOk, ...report });
  else process.stdout.write(`${reportText(path, report, isOk)}\n`);
  return isOk ? 0 : EXIT_DAMAGED;
}

/** `hexz overlay repair OVERLAY [--base SNAP] [--force] [--json]` */
export const repair = (path: string, options: OverlayCommandOptions): Promise<void> =>
  change(path, options, repairOverlay);

/** `hexz overlay compact OVERLAY [--base SNAP] [--force] [--json]` */
export const compact = (path: string, options: OverlayCommandOptions): Promise<void> =>
  change(path, options, compactOverlay);

type Change = (path: string, base: BaseDisk, force: boolean) => Promise<OverlayChange>;

async function change(path: string, options: OverlayCommandOptions, action: Change): Promise<void> {
  const base = basePathOf(path, options.base);
  const result = await withBase(base, path, options, (disk) =>
    action(path, disk, options.force === true),
  );
  if (options.json === true) {
    printJson({ path, base, ...result });
    return;
  }
  const actions = result.actions.length === 0 ? ['nothing had to be done'] : result.actions;
  const state = stateText(result.dirtyPages, result.diskLength);
  process.stdout.write(
    [...actions, state].map((line) => `${printable(`${path}: ${line}`)}\n`).join(''),
  );
}

async function withBase<T>(
  base: string,
  overlayPath: string,
  options: OverlayCommandOptions,
  action: (disk: BaseDisk) => Promise<T>,
): Promise<T> {
  const snapshot = await openBase(base, options);
  try {
    checkOverlayOf(snapshot, overlayPath);
    return await action(baseDiskOf(snapshot));
  } finally {
    snapshot.close();
  }
}

function reportText(path: string, report: OverlayReport, isOk: boolean): string {
  const lines = report.findings.map(
    ({ isDamage, message }) => `${isDamage ? 'damage' : 'note'}: ${message}`,
  );
  const state = stateText(report.dirtyPages, report.diskLength);
  const damage = report.findings.filter(({ isDamage }) => isDamage);
  const isOther = damage.every(({ kind }) => kind === 'wrong-base');
  const verdict = isOk ? 'ok' : isOther ? 'NOT OF THIS SNAPSHOT' : 'DAMAGED';
  return [...lines, `${path}: ${verdict}; ${state}`].map(printable).join('\n');
}

function stateText(dirtyPages: number, diskLength: number | null): string {
  const pages = dirtyPages === 1 ? 'page' : 'pages';
  const dirty = `${formatCount(dirtyPages)} dirty ${pages} (${formatBytes(dirtyPages * PAGE_BYTES)})`;
  return diskLength === null ? dirty : `${dirty}, a disk of ${formatCount(diskLength)} bytes`;
}

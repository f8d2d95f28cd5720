import { basename } from 'node:path';
import { type ListedMount, listMounts } from '../engine/process/registry.js';
import type { MachineOptions } from './arguments.js';
import { formatBytes, printable, printJson } from './output.js';

const MAX_LINE_LENGTH = 80;

/** `hexz status [--json]` */
export function status(options: MachineOptions): void {
  const mounts = listMounts();
  if (options.json === true) printJson({ mounts: mounts.map(toJson) });
  else process.stdout.write(`${toText(mounts)}\n`);
}

const toJson = (mount: ListedMount): unknown => ({
  pid: mount.pid,
  mountpoint: mount.mountpoint,
  snapshot: mount.snapshot,
  mode: mount.mode,
  overlay: mount.overlay,
  backend: mount.backend,
  device: mount.device?.path ?? null,
  nbd: mount.nbd,
  startedAt: mount.startedAt,
  dirtyBytes: mount.dirtyBytes,
  state: mount.state,
  lease: mount.lease,
});

function toText(mounts: readonly ListedMount[]): string {
  if (mounts.length === 0) return 'Nothing is mounted.';
  const dead = mounts.filter(({ state }) => state === 'dead');
  return [
    ...table(mounts),
    ...dead.map(({ mountpoint }) => `Dead, its engine was killed: hexz unmount ${mountpoint}`),
  ]
    .map(printable)
    .join('\n');
}

function table(mounts: readonly ListedMount[]): readonly string[] {
  const lines = align([
    ['PID', 'MODE', 'STATE', 'DIRTY', 'AGE', 'MOUNTPOINT', 'SNAPSHOT'],
    ...mounts.map((mount) => cells(mount, mount.snapshot)),
  ]);
  if (lines.every(({ length }) => length <= MAX_LINE_LENGTH)) return lines;
  // Then without the directories of snapshots; mountpoints are what one needs for other commands.
  return align([
    ['PID', 'MODE', 'STATE', 'DIRTY', 'AGE', 'MOUNTPOINT', 'SNAPSHOT'],
    ...mounts.map((mount) => cells(mount, basename(mount.snapshot))),
  ]);
}

const cells = (mount: ListedMount, snapshot: string): readonly string[] => [
  String(mount.pid),
  mount.mode,
  // Whoever inspected it was killed, and `inspect --attach` takes it.
  mount.state === 'serving' && mount.lease === 'orphaned' ? 'orphaned' : mount.state,
  mount.mode === 'rw' ? formatBytes(mount.dirtyBytes) : '-',
  ageOf(mount),
  [mount.mountpoint ?? [], ...mount.nbd].flat().join(' ') || '-',
  mount.device === null ? snapshot : `${snapshot} (${mount.device.path})`,
];

/** Columns two blanks apart; the last one as long as it is. */
function align(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function ageOf({ startedAt }: ListedMount): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(startedAt)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

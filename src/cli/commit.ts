import { realpathSync } from 'node:fs';
import { HexzError } from '../engine/errors.js';
import type { Compression } from '../engine/format/types.js';
import { systemFiles } from '../engine/overlay/files.js';
import { overlayPaths } from '../engine/overlay/paths.js';
import { Selection } from '../engine/overlay/selection.js';
import { readSideFile } from '../engine/overlay/sideFile.js';
import { describeHolder, findFileWriters } from '../engine/process/holders.js';
import { openSnapshot } from '../engine/snapshot/open.js';
import { commit as makeSnapshot } from '../engine/write/commit.js';
import type { CommitReport } from '../engine/write/commitOutput.js';
import { sizeText, verifiedText } from '../repl/rendering/snapshots.js';
import type { ReadOptions } from './arguments.js';
import { formatBytes, formatCount, printable, section } from './output.js';
import { newPassword, openWithPasswords } from './password.js';
import { SignalGuard } from './signalGuard.js';
import { allBlocksText, WriteReporter } from './writeReport.js';

export interface CommitCommandOptions extends ReadOptions {
  readonly compression: Compression;
  readonly blockSize: number;
  readonly keepOverlay?: boolean;
  readonly flatten?: boolean;
  readonly thin?: boolean;
  readonly message?: string;
  readonly select?: string;
  readonly memory?: string;
  readonly dropMemory?: boolean;
  readonly encrypt?: boolean;
  readonly newPasswordFile?: string;
  readonly verifyAll?: boolean;
  readonly force?: boolean;
  readonly silent?: boolean;
}

/** `hexz commit BASE OVERLAY OUTPUT [...]` */
export async function commit(
  basePath: string,
  overlay: string,
  output: string,
  options: CommitCommandOptions,
): Promise<void> {
  if (options.thin === true && options.flatten === true) {
    throw new HexzError('USAGE', '--thin and --flatten contradict each other', {
      hint: '--flatten makes a snapshot that needs no parent, as is done without --thin',
    });
  }
  if (options.newPasswordFile !== undefined && options.encrypt !== true) {
    throw new HexzError('USAGE', '--new-password-file goes with --encrypt');
  }
  const selection =
    options.select === undefined
      ? undefined
      : Selection.read(options.select === '-' ? '/dev/stdin' : options.select);
  const reporter = new WriteReporter('commit', options);
  const { snapshot: base, passwords } = await openWithPasswords(basePath, options);
  try {
    await refuseWriters(overlay);
    const encryption =
      options.encrypt === true
        ? { password: await passwordOf(basePath, options, passwords) }
        : undefined;
    const report = await SignalGuard.run((guard) =>
      makeSnapshot(base, {
        overlay,
        output,
        force: options.force === true,
        compression: options.compression,
        blockBytes: options.blockSize,
        thin: options.thin === true,
        keepsOverlay: options.keepOverlay === true,
        selection,
        memory: options.memory,
        dropsMemory: options.dropMemory === true,
        verifiesAll: options.verifyAll === true,
        encryption,
        message: options.message,
        passwords,
        parentDirectories: options.parentDir ?? [],
        signal: guard.abortSignal(),
        onProgress: (progress) => reporter.update(progress),
      }),
    ).finally(() => reporter.clear());
    reporter.end(report, () => textOf(report, overlay, options));
  } finally {
    base.close();
  }
}

/** Locks tell of every other hexz; the Rust hexz takes none. */
async function refuseWriters(overlay: string): Promise<void> {
  const [writer] = await findFileWriters(realPathOf(overlay));
  // Of a hexz that holds the lock the overlay itself tells, with its mountpoint.
  if (writer?.kind !== 'process' || writer.pid === recordedWriter(overlay)) return;
  throw new HexzError('OVERLAY_LOCKED', `${describeHolder(writer)} has it open for writing`, {
    location: { file: overlay },
    hint: 'end that first: what it still writes would be lost',
  });
}

function recordedWriter(overlay: string): number | undefined {
  try {
    return readSideFile(systemFiles, overlayPaths(overlay).side)?.openedBy?.pid;
  } catch {
    return undefined;
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Opening it says what is wrong.
    return path;
  }
}

/** A password of its own if one is given; else that of the base, if it has one. */
async function passwordOf(
  basePath: string,
  { newPasswordFile, passwordFile, parentDir: parentDirectories = [] }: CommitCommandOptions,
  basePasswords: readonly string[],
): Promise<string> {
  const opensBase = (password: string): boolean => {
    try {
      openSnapshot(basePath, { passwords: [password], parentDirectories }).close();
      return true;
    } catch {
      return false;
    }
  };
  // Of several, others may be those of parents.
  const [first] = basePasswords;
  const known = basePasswords.length > 1 ? (basePasswords.find(opensBase) ?? first) : first;
  if (newPasswordFile === undefined && known !== undefined) return known;
  return newPassword(
    { passwordFile: newPasswordFile === undefined ? (passwordFile ?? []) : [newPasswordFile] },
    'the new snapshot',
  );
}

/** What was made, in words. */
export function textOf(
  report: CommitReport,
  overlay: string,
  options: Pick<CommitCommandOptions, 'thin'>,
): string {
  const pages = report.committedPages === 1 ? 'page' : 'pages';
  return section(
    `Committed ${formatCount(report.committedPages)} ${pages} of ${printable(overlay)} to ${printable(report.output)}`,
    [
      ['Base', `${report.base} (${formatBytes(report.baseBytes)})`],
      ['Size', `${sizeText(report)}${options.thin === true ? ', thin' : ''}`],
      ['Blocks', allBlocksText(report)],
      ['Checked', `${verifiedText(report)} with base and overlay`],
      ['Overlay', overlayText(report)],
      ['Encoder', report.encoder],
      ['Time', `${report.seconds.toFixed(2)} s`],
    ],
  );
}

function overlayText({ overlay, remainingPages, output }: CommitReport): string {
  const pages = `${formatCount(remainingPages)} ${remainingPages === 1 ? 'page stays' : 'pages stay'}`;
  switch (overlay) {
    case 'deleted':
      return 'deleted';
    case 'kept':
      return 'kept, on its base';
    case 'rebound':
      return `${pages} in it, not committed whole; it lies on ${output} now`;
  }
}

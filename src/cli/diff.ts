import { existsSync } from 'node:fs';
import { HexzError } from '../engine/errors.js';
import { MAGIC } from '../engine/format/header.js';
import { streamNames } from '../engine/format/types.js';
import type { Overlay } from '../engine/overlay/overlay.js';
import { overlayPaths } from '../engine/overlay/paths.js';
import type { Snapshot } from '../engine/snapshot/snapshot.js';
import { openFileSource } from '../engine/snapshot/source.js';
import { openOverlay } from '../engine/volume/openOverlay.js';
import { createVolume } from '../engine/volume/volume.js';
import { diffOverlay, overlayDiffBytes } from '../forensics/diff/overlayDiff.js';
import {
  type DiffStep,
  type DiffTally,
  type Granularity,
  isSameContent,
} from '../forensics/diff/result.js';
import { type DiffSide, diffRows, type ShownStep } from '../forensics/diff/rows.js';
import { diffSnapshots, snapshotDiffBytes } from '../forensics/diff/snapshotDiff.js';
import { chooseLayout, type HexLayout, hasColours } from '../repl/rendering/hexView.js';
import type { ReadOptions } from './arguments.js';
import { basePathOf, openBase } from './base.js';
import { type DiffSubject, reportFor } from './diffReports.js';
import { openForCommand } from './password.js';
import { drive, ProgressBar } from './progress.js';

export interface DiffCommandOptions extends ReadOptions {
  readonly base?: string;
  readonly stat?: boolean;
  readonly pages?: boolean;
  readonly hex?: boolean;
  readonly force?: boolean;
}

const EXIT_DIFFERENT = 1;
const CONTEXT_ROWS = 2;
/** Rows in JSON, which no terminal limits. */
const JSON_ROW_BYTES = 16;

/**
 * `hexz diff OVERLAY [--base SNAP]` and `hexz diff SNAP SNAP`, with `[--stat|--pages|--hex] [--json]`; answers with
 * the exit status.
 */
export async function diff(
  first: string,
  second: string | undefined,
  options: DiffCommandOptions,
): Promise<number> {
  if (second === undefined) return diffOverlayCommand(first, options);
  if (options.base !== undefined) {
    throw new HexzError('USAGE', '--base is for an overlay, which is compared with nothing else', {
      hint: 'hexz diff OVERLAY --base SNAPSHOT, or hexz diff SNAPSHOT SNAPSHOT',
    });
  }
  return diffSnapshotsCommand(first, second, options);
}

async function diffOverlayCommand(path: string, options: DiffCommandOptions): Promise<number> {
  const basePath = baseFor(path, options);
  const snapshot = await openBase(basePath, options);
  let overlay: Overlay | undefined;
  try {
    const { force = false } = options;
    overlay = openOverlay(snapshot, { path, access: 'read', readsLive: true, force });
    const steps = diffOverlay(snapshot, overlay, { granularity: granularityFor(options) });
    return await run({
      steps: oneTally(steps),
      before: snapshot,
      after: createVolume(snapshot, overlay),
      totalBytes: overlayDiffBytes(overlay),
      subject: {
        kind: 'overlay',
        before: basePath,
        after: path,
        isLive: overlay.isLive,
        warnings: overlay.warnings,
      },
      options,
    });
  } finally {
    await overlay?.close();
    snapshot.close();
  }
}

/** The base by name or by record. A snapshot in the place of the overlay is a likely mistake. */
function baseFor(path: string, { base }: DiffCommandOptions): string {
  if (isSnapshot(path)) {
    throw new HexzError(
      'USAGE',
      'a snapshot is compared with another one, an overlay with its base',
      {
        location: { file: path },
        hint:
          base === undefined
            ? 'hexz diff SNAPSHOT SNAPSHOT, or hexz diff OVERLAY --base SNAPSHOT'
            : `hexz diff ${base} ${path}`,
      },
    );
  }
  return basePathOf(path, base);
}

async function diffSnapshotsCommand(
  beforePath: string,
  afterPath: string,
  options: DiffCommandOptions,
): Promise<number> {
  const before = await openSide(beforePath, options);
  try {
    const after = await openSide(afterPath, options);
    try {
      return await run({
        steps: diffSnapshots(before, after, { granularity: granularityFor(options) }),
        before,
        after,
        totalBytes: snapshotDiffBytes(before, after),
        subject: {
          kind: 'snapshots',
          before: beforePath,
          after: afterPath,
          isLive: false,
          warnings: [],
        },
        options,
      });
    } finally {
      after.close();
    }
  } finally {
    before.close();
  }
}

/** Opens one of two snapshots, which share the memory that was given for one. */
async function openSide(path: string, options: DiffCommandOptions): Promise<Snapshot> {
  const { cacheSize } = options;
  const half = cacheSize === undefined ? {} : { cacheSize: Math.floor(cacheSize / 2) };
  try {
    return await openForCommand(path, { ...options, ...half });
  } catch (error) {
    if (!(error instanceof HexzError) || !hasList(path)) throw error;
    throw new HexzError(error.code, error.message, {
      location: error.location,
      hint: 'it looks like an overlay: name its snapshot with --base',
      cause: error,
    });
  }
}

/** Whether the list of pages lies beside a file that would make it an overlay. */
const hasList = (path: string): boolean =>
  !path.endsWith('.hxz') && !path.endsWith('.meta') && existsSync(overlayPaths(path).list);

const granularityFor = ({ pages, hex }: DiffCommandOptions): Granularity =>
  pages === true || hex === true ? 'run' : 'extent';

function* oneTally(steps: Generator<DiffStep, DiffTally>): Generator<DiffStep, DiffTally[]> {
  return [yield* steps];
}

interface Comparison {
  readonly steps: Generator<DiffStep, DiffTally[]>;
  readonly before: Snapshot;
  readonly after: DiffSide;
  readonly totalBytes: number;
  readonly subject: DiffSubject;
  readonly options: DiffCommandOptions;
}

async function run(comparison: Comparison): Promise<number> {
  const { totalBytes, subject, options } = comparison;
  const layout = layoutFor(comparison);
  const report = reportFor(options, subject, layout);
  // A bar would stand between lines on the same terminal.
  const progress =
    report.printsLines && process.stdout.isTTY ? undefined : new ProgressBar('diff', totalBytes);
  try {
    const tallies = await drive(shownSteps(comparison, layout), ({ step, shown }) => {
      progress?.update(step.tally.doneBytes);
      if (shown !== undefined) return report.show(shown);
      return step.difference === undefined ? undefined : report.difference(step.difference);
    });
    progress?.clear();
    const same = tallies.every(isSameContent);
    await report.end(tallies, same);
    return same ? 0 : EXIT_DIFFERENT;
  } catch (error) {
    progress?.clear();
    await report.flush();
    throw error;
  }
}

function shownSteps(
  { steps, before, after, options }: Comparison,
  { rowBytes }: HexLayout,
): Generator<ShownStep, DiffTally[]> {
  if (options.hex !== true) return withoutRows(steps);
  return diffRows(steps, before, after, { rowBytes, contextRows: CONTEXT_ROWS });
}

function* withoutRows(steps: Generator<DiffStep, DiffTally[]>): Generator<ShownStep, DiffTally[]> {
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
    yield { step: next.value, shown: undefined };
  }
}

function layoutFor({ before, after, options }: Comparison): HexLayout {
  const lengths = streamNames.flatMap((stream) => [
    before.streamLength(stream),
    after.streamLength(stream),
  ]);
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
  const layout = chooseLayout(columns, hasColours(), Math.max(...lengths));
  return options.json === true ? { ...layout, rowBytes: JSON_ROW_BYTES } : layout;
}

/** Whether a file begins as snapshots do. */
function isSnapshot(path: string): boolean {
  try {
    const source = openFileSource(path);
    try {
      const start = Buffer.alloc(MAGIC.length);
      source.read(start, 0);
      return start.equals(MAGIC);
    } finally {
      source.close();
    }
  } catch {
    return false;
  }
}

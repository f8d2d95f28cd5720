import { basename } from 'node:path';
import type { CommitPlan, CommitReport } from '../../../engine/control/protocol/commit.js';
import type { EngineState } from '../../../engine/control/protocol/engineState.js';
import type { ReviewCounts } from '../../../engine/control/protocol/review.js';
import { estimateText, verifiedText } from '../../../repl/rendering/snapshots.js';
import { countOf, formatCount, printable, shortBytes } from '../../../repl/rendering/values.js';
import { Line } from '../../drawing/line.js';
import { framed, type Size } from '../../drawing/panel.js';
import { shorten, shortenStart, widthOf, wrap } from '../../drawing/text.js';
import type { Style, Theme } from '../../drawing/theme.js';
import type { Commit, CommitProgress } from './commit.js';

const MAX_PATH_COLUMNS = 48;
const BAR_COLUMNS = 24;
const GAP = '   ';
/** Of a message, so many are shown in any case. */
const MIN_MESSAGE_COLUMNS = 16;

interface PanelLine {
  readonly text: string;
  readonly style: Style;
}

/** What a commit is to be, what it would make or has made, and how far it is; as high as it needs to be. */
export function drawCommit(
  commit: Commit,
  state: EngineState,
  counts: ReviewCounts | undefined,
  theme: Theme,
  size: Size,
): string[] {
  const room = Math.max(1, size.columns - 4);
  const rows = linesOf(commit, state, counts, room)
    .flatMap(({ text, style }) => wrap(text, room).map((part) => ({ text: part, style })))
    .slice(0, Math.max(0, size.rows - 2))
    .map(({ text, style }) => new Line(theme, size.columns - 2).add(' ').add(text, style).end());
  return framed(rows, theme, { ...size, rows: Math.min(size.rows, rows.length + 2) }, 'commit');
}

function linesOf(
  commit: Commit,
  state: EngineState,
  counts: ReviewCounts | undefined,
  columns: number,
): PanelLine[] {
  const lines: PanelLine[] = [{ text: settingsText(commit, state, columns), style: 'plain' }];
  const { progress, report, plan, planError } = commit;
  if (progress !== undefined) lines.push({ text: progressText(progress), style: 'strong' });
  else if (report !== undefined) {
    lines.push({ text: reportText(report, commit.settings.verifiesAll), style: 'good' });
  } else if (planError !== undefined) lines.push({ text: printable(planError), style: 'error' });
  else if (plan !== undefined) {
    lines.push({ text: planText(plan, counts), style: 'plain' });
  } else lines.push({ text: 'planning …', style: 'dim' });
  if (state.snapshot.isEncrypted) {
    lines.push({
      text: 'The base is encrypted, this will not be: :commit FILE --new-password-file FILE encrypts it.',
      style: 'dirty',
    });
  }
  return lines;
}

/** `→ web-01-patched.hxz   thin on web-01.hxz   lz4   "fix resolv.conf"`; of a long message, what has room in a row. */
function settingsText({ settings }: Commit, { snapshot }: EngineState, columns: number): string {
  const { output, thin, compression, message, verifiesAll } = settings;
  const base = printable(basename(snapshot.path));
  const textWith = (shownMessage: string): string =>
    [
      `→ ${output === undefined ? '(o: output)' : shortenStart(printable(output), MAX_PATH_COLUMNS)}`,
      thin ? `thin on ${base}` : 'thick',
      compression,
      shownMessage,
      verifiesAll ? 'every byte is read back' : '',
    ]
      .filter((part) => part !== '')
      .join(GAP);
  if (message === '') return textWith('(m: message)');
  const room = columns - widthOf(textWith('""'));
  return textWith(`"${shorten(printable(message), Math.max(MIN_MESSAGE_COLUMNS, room))}"`);
}

function planText(plan: CommitPlan, counts: ReviewCounts | undefined): string {
  const streams = Object.values(plan.streams);
  const sum = (of: (stream: (typeof streams)[number]) => number): number =>
    streams.reduce((total, stream) => total + of(stream), 0);
  const shared = sum(sharedBytes);
  const parts = [
    `would store ${estimateText({
      estimatedStoredBytes: sum(({ estimatedStoredBytes }) => estimatedStoredBytes),
      maximumStoredBytes: sum(({ maximumStoredBytes }) => maximumStoredBytes),
      sampledBlocks: sum(({ sampledBlocks }) => sampledBlocks),
      encodedBlocks: sum(({ encodedBlocks }) => encodedBlocks),
    })} of blocks`,
    shared === 0 ? '' : `share ${shortBytes(shared)}`,
    `encode ${formatCount(sum(({ encodedBlocks }) => encodedBlocks))} and copy ${countOf(
      sum(({ copiedBlocks }) => copiedBlocks),
      'block',
    )}`,
  ];
  const open = counts === undefined || counts.open === 0 ? '' : openText(counts.open);
  const remaining =
    plan.remainingPages === 0
      ? ''
      : `; ${countOf(plan.remainingPages, 'page stays', 'pages stay')} in the overlay alone`;
  const pages = `${countOf(plan.committedPages, 'dirty page')} in it${open}${remaining}`;
  return `${parts.filter((part) => part !== '').join(', ')}; ${pages}`;
}

type PlannedStream = NonNullable<CommitPlan['streams']['disk']>;

/** How much is borrowed; blocks are of about one length. */
function sharedBytes(stream: PlannedStream): number {
  const { length, encodedBlocks, copiedBlocks, zeroBlocks, parentBlocks } = stream;
  const blocks = encodedBlocks + copiedBlocks + zeroBlocks + parentBlocks;
  return blocks === 0 ? 0 : Math.round((length * parentBlocks) / blocks);
}

/** Who decides nothing loses nothing. */
const openText = (open: number): string =>
  ` (${countOf(open, 'hunk')} still open ${open === 1 ? 'is' : 'are'} kept, too)`;

function progressText({ phase, doneBytes, totalBytes, isCancelling }: CommitProgress): string {
  if (isCancelling) return 'cancelling …   what was written so far is removed';
  const verb = phase === 'check' ? 'reading back' : 'writing';
  if (totalBytes === undefined || totalBytes === 0) return `${verb} …   Esc cancels`;
  const share = Math.min(1, doneBytes / totalBytes);
  const full = Math.round(share * BAR_COLUMNS);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_COLUMNS - full)}`;
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  return `${verb}  ${bar} ${percent} %  ${shortBytes(doneBytes)} of ${shortBytes(totalBytes)}   Esc cancels`;
}

function reportText(report: CommitReport, verifiesAll: boolean): string {
  const { output, fileBytes, committedPages, remainingPages, seconds, warnings } = report;
  const more = verifiesAll ? '' : ' (V before c: every byte)';
  const checked = `verified: ${verifiedText(report)}${more}`;
  return [
    `✓ ${shortenStart(printable(output), MAX_PATH_COLUMNS)}: ${shortBytes(fileBytes)}, ${countOf(committedPages, 'page')} committed in ${seconds.toFixed(1)} s`,
    checked,
    `the overlay is as it was, with ${countOf(remainingPages, 'page')}`,
    ...warnings.map((warning) => `warning: ${printable(warning)}`),
  ].join('; ');
}

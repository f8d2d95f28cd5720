import type { NewSnapshotReport, WriteProgress } from '../engine/write/newSnapshot.js';
import { blocksText } from '../repl/rendering/snapshots.js';
import { finishWithoutOutput, printable, printJsonLine } from './output.js';
import { ProgressBar } from './progress.js';

const PROGRESS_LINE_MS = 200;

/** How a command that makes a snapshot says what it does. */
export interface ReportOptions {
  /** JSON lines: progress, then the result. */
  readonly json?: boolean;
  readonly silent?: boolean;
}

/**
 * Tells how far a command is: a bar on a terminal, lines with --json, nothing with --silent. That nobody listens does
 * not stop the command.
 */
export class WriteReporter {
  readonly #label: string;
  readonly #options: ReportOptions;
  #bar: ProgressBar | undefined;
  #phase: WriteProgress['phase'] | undefined;
  #printedAt = 0;

  constructor(label: string, options: ReportOptions) {
    this.#label = label;
    this.#options = options;
    finishWithoutOutput();
  }

  update(progress: WriteProgress): void {
    const { json, silent } = this.#options;
    if (json === true) this.#print(progress);
    else if (silent !== true) this.#draw(progress);
  }

  /** Says the result: the document with --json, else the text. */
  end(result: NewSnapshotReport, text: () => string): void {
    this.clear();
    const { json, silent } = this.#options;
    if (json === true) {
      printJsonLine({ type: 'result', ...result });
      return;
    }
    for (const warning of result.warnings) {
      process.stderr.write(`hexz: warning: ${printable(warning)}\n`);
    }
    if (silent !== true) process.stdout.write(`${text()}\n`);
  }

  clear(): void {
    this.#bar?.clear();
  }

  #print(progress: WriteProgress): void {
    const now = performance.now();
    if (progress.phase === this.#phase && now - this.#printedAt < PROGRESS_LINE_MS) return;
    this.#phase = progress.phase;
    this.#printedAt = now;
    const { phase, doneBytes, totalBytes = null } = progress;
    printJsonLine({ type: 'progress', phase, doneBytes, totalBytes });
  }

  #draw({ phase, doneBytes, totalBytes }: WriteProgress): void {
    const label = phase === 'write' ? this.#label : 'check';
    if (this.#bar === undefined) this.#bar = new ProgressBar(label, totalBytes);
    else if (phase !== this.#phase) this.#bar.restart(label, totalBytes);
    this.#phase = phase;
    this.#bar.update(doneBytes);
  }
}

/** What became of the blocks of all streams together, in words. */
export function allBlocksText({ streams }: NewSnapshotReport): string {
  const sum = {
    encodedBlocks: 0,
    copiedBlocks: 0,
    sharedBlocks: 0,
    zeroBlocks: 0,
    parentBlocks: 0,
  };
  for (const counts of Object.values(streams)) {
    sum.encodedBlocks += counts.encodedBlocks;
    sum.copiedBlocks += counts.copiedBlocks;
    sum.sharedBlocks += counts.sharedBlocks;
    sum.zeroBlocks += counts.zeroBlocks;
    sum.parentBlocks += counts.parentBlocks;
  }
  return blocksText(sum);
}

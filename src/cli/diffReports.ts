import { PAGE_BYTES } from '../engine/overlay/pages.js';
import { formatPages, formatRange } from '../engine/overlay/selection.js';
import type { Difference, DiffTally } from '../forensics/diff/result.js';
import type { BetweenRows, DiffRow } from '../forensics/diff/rows.js';
import { type HexLayout, rowText } from '../repl/rendering/hexView.js';
import { countOf } from '../repl/rendering/values.js';
import { LineWriter } from './lineWriter.js';
import { formatBytes, formatCount, printable, section, toJsonText } from './output.js';

/** What is compared. */
export interface DiffSubject {
  readonly kind: 'overlay' | 'snapshots';
  /** Paths, as the user gave them. */
  readonly before: string;
  readonly after: string;
  /** Whether the overlay is being written, and this is what its last flush left. */
  readonly isLive: boolean;
  readonly warnings: readonly string[];
}

type Waiting = Promise<void> | undefined;

/** A rendering. Answers a promise where standard output can take no more for now. */
export interface DiffReport {
  /** Whether it prints anything before the end. */
  readonly printsLines: boolean;
  difference(difference: Difference): Waiting;
  show(shown: DiffRow | BetweenRows): Waiting;
  end(tallies: readonly DiffTally[], same: boolean): Waiting;
  /** Prints what was held back, before an error. */
  flush(): Waiting;
}

interface Form {
  readonly stat?: boolean;
  readonly pages?: boolean;
  readonly hex?: boolean;
  readonly json?: boolean;
}

export function reportFor(form: Form, subject: DiffSubject, layout: HexLayout): DiffReport {
  if (form.json === true) return new JsonReport(subject, form);
  const notes = subject.warnings.map((text) => `hexz: note: ${printable(text)}\n`);
  if (notes.length > 0) process.stderr.write(notes.join(''));
  if (form.pages === true) return new PagesReport(subject);
  return form.hex === true ? new HexReport(subject, layout) : new StatReport(subject);
}

const LIVE = 'live: another process is writing it; this is what its last flush left';

/** Sums. */
class StatReport implements DiffReport {
  readonly printsLines = false;
  readonly #subject: DiffSubject;

  constructor(subject: DiffSubject) {
    this.#subject = subject;
  }

  difference(): Waiting {
    return undefined;
  }

  show(): Waiting {
    return undefined;
  }

  flush(): Waiting {
    return undefined;
  }

  end(tallies: readonly DiffTally[], same: boolean): Waiting {
    const { kind, before, after, isLive } = this.#subject;
    const heading: [string, string][] =
      kind === 'overlay'
        ? [
            ['Overlay', after],
            ['Base', before],
          ]
        : [
            ['Before', before],
            ['After', after],
          ];
    if (isLive) heading.push(['State', LIVE]);
    heading.push(['Result', same ? 'same' : 'different']);
    const sections = tallies.map((tally) =>
      section(
        tally.stream === 'disk' ? 'Disk' : 'Memory',
        kind === 'overlay' ? overlayRows(tally) : snapshotRows(tally),
      ),
    );
    const text = [section('Comparison', heading), ...sections].join('\n\n');
    process.stdout.write(`${text}\n`);
    return undefined;
  }
}

function overlayRows(tally: DiffTally): [string, string][] {
  const { changedPages, newPages, equalPages, extents, newBytes } = tally;
  const dirtyPages = changedPages + newPages + equalPages;
  return [
    ['Size before', lengthText(tally.lengthBefore)],
    ['Size after', lengthText(tally.lengthAfter)],
    ['Dirty', `${pagesText(dirtyPages)} in ${countOf(extents, 'extent')}`],
    ['  changed', pagesText(changedPages)],
    ['  new', `${pagesText(newPages)}, behind the end of the base`],
    ['  no-op', `${pagesText(equalPages)}, the same as in the base`],
    ['Different', bytesText(tally.differentBytes)],
    ['New', bytesText(newBytes)],
    ...endRows(tally),
    ...(tally.cutRanges === 0
      ? []
      : [
          [
            'Cut',
            `${bytesText(tally.cutBytes)} in ${countOf(tally.cutRanges, 'range')} that are zero now`,
          ] as [string, string],
        ]),
  ];
}

function snapshotRows(tally: DiffTally): [string, string][] {
  const { changedPages, extents } = tally;
  return [
    ['Size before', lengthText(tally.lengthBefore)],
    ['Size after', lengthText(tally.lengthAfter)],
    ['Changed', `${pagesText(changedPages)} in ${countOf(extents, 'extent')}`],
    ['Different', bytesText(tally.differentBytes)],
    ...endRows(tally),
    [
      'Decoded',
      `${bytesText(tally.comparedBytes)} on each side; the rest is the same by its index`,
    ],
  ];
}

function endRows({ grownBytes, removedBytes }: DiffTally): [string, string][] {
  const rows: [string, string][] = [];
  if (grownBytes > 0) rows.push(['Grown', `${bytesText(grownBytes)} behind the old end`]);
  if (removedBytes > 0) rows.push(['Removed', `${bytesText(removedBytes)} at the old end`]);
  return rows;
}

const lengthText = (length: number | undefined): string =>
  length === undefined ? 'none' : bytesText(length);

const bytesText = (bytes: number): string =>
  bytes < 1024 ? countOf(bytes, 'byte') : `${countOf(bytes, 'byte')} (${formatBytes(bytes)})`;

const pagesText = (pages: number): string =>
  pages === 0 ? '0 pages' : `${countOf(pages, 'page')} (${formatBytes(pages * PAGE_BYTES)})`;

function changeText({ kind, differentBytes, newBytes }: Difference): string {
  if (kind === 'equal') return 'equal';
  if (kind === 'new') return `new: ${countOf(newBytes, 'byte')}`;
  const newText = newBytes === 0 ? '' : `, ${formatCount(newBytes)} new`;
  return `${kind}: ${countOf(differentBytes, 'byte')} different${newText}`;
}

/** Lines of a selection (docs/diff.md). What no selection of a disk can name is a comment. */
class PagesReport implements DiffReport {
  readonly printsLines = true;
  readonly #lines = new LineWriter();

  constructor({ kind, before, after, isLive }: DiffSubject) {
    const names = [printable(after), printable(before)];
    const what = kind === 'overlay' ? 'overlay' : 'snapshot';
    this.#lines.write(`# hexz diff --pages: ${what} ${names[0]} against ${names[1]}`);
    if (isLive) this.#lines.write(`# ${LIVE}`);
  }

  difference(difference: Difference): Waiting {
    const { stream, kind, offset, length, pageIndex, pageCount } = difference;
    // Sizes and cuts are no choice: a commit takes them over whatever is selected.
    if (kind === 'grown' || kind === 'removed' || kind === 'cut') {
      return this.#lines.write(`# ${stream} ${kind}: ${formatRange(offset, length)}`);
    }
    const name = formatPages(pageIndex, pageCount);
    const facts = [`0x${offset.toString(16)}`, countOf(pageCount, 'page'), changeText(difference)];
    const line = `${name}  # ${facts.join(', ')}`;
    return this.#lines.write(stream === 'disk' ? line : `# ${stream}: ${line}`);
  }

  show(): Waiting {
    return undefined;
  }

  end(): Waiting {
    return this.flush();
  }

  flush(): Waiting {
    return this.#lines.flush();
  }
}

/** Both sides beside each other. */
class HexReport implements DiffReport {
  readonly printsLines = true;
  readonly #lines = new LineWriter();
  readonly #subject: DiffSubject;
  readonly #layout: HexLayout;
  #stream = '';

  constructor(subject: DiffSubject, layout: HexLayout) {
    this.#subject = subject;
    this.#layout = layout;
    if (subject.isLive) process.stderr.write(`hexz: note: ${LIVE}\n`);
  }

  difference(): Waiting {
    return undefined;
  }

  show(shown: DiffRow | BetweenRows): Waiting {
    const { stream } = shown.kind === 'end' ? shown.difference : shown;
    if (stream !== this.#stream) {
      this.#stream = stream;
      const { before, after } = this.#subject;
      this.#lines.write(`${stream}: ${printable(before)} | ${printable(after)}`);
    }
    if (shown.kind === 'row') return this.#lines.write(rowText(shown, this.#layout));
    if (shown.kind === 'skipped') {
      return this.#lines.write(`... ${countOf(shown.rowCount, 'row')} without a change`);
    }
    const { kind, offset, length } = shown.difference;
    return this.#lines.write(`${kind}: ${formatRange(offset, length)}`);
  }

  end(): Waiting {
    return this.flush();
  }

  flush(): Waiting {
    return this.#lines.flush();
  }
}

/** A document a line: the differences unless only sums are wanted, rows if bytes are, and a summary. */
class JsonReport implements DiffReport {
  readonly printsLines = true;
  readonly #lines = new LineWriter();
  readonly #subject: DiffSubject;
  readonly #form: Form;

  constructor(subject: DiffSubject, form: Form) {
    this.#subject = subject;
    this.#form = form;
  }

  difference(difference: Difference): Waiting {
    if (this.#form.stat === true) return undefined;
    const { kind, stream, offset, length, pageIndex, pageCount, differentBytes } = difference;
    const place = { kind, stream, offset, length, pageIndex, pageCount };
    if (kind === 'cut' || kind === 'grown' || kind === 'removed') {
      return this.#print({ type: 'range', ...place, differentBytes });
    }
    const { changedPages, equalPages, newPages, newBytes } = difference;
    const pages = { changedPages, equalPages, newPages, differentBytes, newBytes };
    const type = this.#form.pages === true || this.#form.hex === true ? 'run' : 'extent';
    return this.#print({ type, ...place, ...pages });
  }

  show(shown: DiffRow | BetweenRows): Waiting {
    if (shown.kind !== 'row' || !shown.isChanged) return undefined;
    const { stream, offset, before, after } = shown;
    const bytes = { before: before.toString('hex'), after: after.toString('hex') };
    return this.#print({ type: 'row', stream, offset, ...bytes });
  }

  end(tallies: readonly DiffTally[], same: boolean): Waiting {
    const { before, after, isLive: live, warnings } = this.#subject;
    const streams = Object.fromEntries(
      tallies.map(({ stream, lengthBefore, lengthAfter, doneBytes: _, ...sums }) => [
        stream,
        { lengthBefore: lengthBefore ?? null, lengthAfter: lengthAfter ?? null, ...sums },
      ]),
    );
    const summary = { type: 'summary', same, live, before, after, warnings, streams };
    return this.#print(summary) ?? this.flush();
  }

  flush(): Waiting {
    return this.#lines.flush();
  }

  #print(value: unknown): Waiting {
    return this.#lines.write(toJsonText(value));
  }
}

import type { Listing } from '../listing.js';
import { printable } from './values.js';

/** What a rendering is made for. */
export interface View {
  readonly isColoured: boolean;
  /** Width of the terminal; undefined elsewhere. */
  readonly columns: number | undefined;
}

/** Text in pieces of any length, line feeds included. */
export type Pieces = AsyncIterable<string> | Iterable<string>;

/** How a result is shown. JSON needs no rendering: it is the result. */
export interface Rendering<Result> {
  /** For people. */
  text(result: Result, view: View): Pieces;
  /** For programs that want lines: exact values between tabs, with a heading. */
  table(result: Result, view: View): Pieces;
}

/** Of the colours of the screen, those that lines need; colour is never the only sign. */
export type Style = 'plain' | 'dim' | 'dirty' | 'difference' | 'error' | 'good';

const codes: Readonly<Record<Style, string>> = {
  plain: '',
  dim: '2',
  dirty: '33',
  difference: '35',
  error: '31',
  good: '32',
};

export const paint = (text: string, style: Style, { isColoured }: View): string =>
  isColoured && style !== 'plain' ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;

type Value = string | number | boolean | null | undefined;

/** A label, what people read, and what programs read if that is something else. */
export type Fact = readonly [label: string, text: string, value?: Value];

const cell = (value: Value): string =>
  printable(value === undefined || value === null ? '' : `${value}`);

const linesOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** A result that is a few facts. */
export function facts<Result>(of: (result: Result) => readonly Fact[]): Rendering<Result> {
  return {
    text(result) {
      const all = of(result);
      const width = all.reduce((longest, [label]) => Math.max(longest, label.length), 0) + 1;
      return [
        linesOf(
          all.map(([label, text]) => `${`${label}:`.padEnd(width)} ${printable(text)}`.trimEnd()),
        ),
      ];
    },
    table: (result) => [
      linesOf(
        of(result).map(
          ([label, text, value]) => `${cell(label)}\t${cell(value === undefined ? text : value)}`,
        ),
      ),
    ],
  };
}

/** A column of a list. */
export interface Column<Item> {
  readonly title: string;
  /** In characters; longer values push what follows. */
  readonly width: number;
  readonly isRight?: boolean;
  readonly text: (item: Item) => string;
  /** For programs, if it is another than the text. */
  readonly value?: (item: Item) => Value;
  readonly style?: (item: Item) => Style;
  /** Whether the list has it, which its first item decides. */
  readonly isShownFor?: (item: Item) => boolean;
}

interface Frame<Item, Head, Tail> {
  readonly columns: readonly Column<NoInfer<Item>>[];
  /** What is said instead when there is no item. */
  readonly empty?: (head: Head) => string;
  /** What is said behind the last one. */
  readonly after?: (tail: Tail, head: Head) => readonly string[];
  /** Whether people need no heading. */
  readonly hasNoHeading?: boolean;
}

/** A result that is a list. */
export function rows<Item, Head extends object, Tail extends object>(
  frame: Frame<Item, Head, Tail>,
): Rendering<Listing<Item, Head, Tail>> {
  return {
    text: (listing, view) => textRows(listing, frame, view),
    table: (listing) => tableRows(listing, frame),
  };
}

async function* textRows<Item, Head extends object, Tail extends object>(
  listing: Listing<Item, Head, Tail>,
  { columns, empty, after, hasNoHeading = false }: Frame<Item, Head, Tail>,
  view: View,
): AsyncGenerator<string, void> {
  let shown: readonly Column<Item>[] | undefined;
  for await (const batch of listing.batches()) {
    if (batch.length === 0) continue;
    if (shown === undefined) {
      shown = columnsFor(batch, columns);
      if (!hasNoHeading) yield `${paint(headingOf(shown), 'dim', view)}\n`;
    }
    const all = shown;
    yield linesOf(batch.map((item) => rowOf(item, all, view)));
  }
  if (shown === undefined && empty !== undefined) yield `${empty(listing.head)}\n`;
  const { tail } = listing;
  if (tail !== undefined && after !== undefined) yield linesOf(after(tail, listing.head));
}

const columnsFor = <Item>(
  items: readonly Item[],
  columns: readonly Column<Item>[],
): readonly Column<Item>[] =>
  columns.filter(
    ({ isShownFor }) => isShownFor === undefined || items.slice(0, 1).every(isShownFor),
  );

const pad = (text: string, { width, isRight }: { width: number; isRight?: boolean }): string =>
  isRight === true ? text.padStart(width) : text.padEnd(width);

const headingOf = <Item>(columns: readonly Column<Item>[]): string =>
  columns
    .map((column) => pad(column.title, column))
    .join('  ')
    .trimEnd();

function rowOf<Item>(item: Item, columns: readonly Column<Item>[], view: View): string {
  let line = '';
  columns.forEach((column, index) => {
    const text = printable(column.text(item));
    const isLast = index === columns.length - 1;
    const padded = isLast && column.isRight !== true ? text : pad(text, column);
    line += `${index === 0 ? '' : '  '}${paint(padded, column.style?.(item) ?? 'plain', view)}`;
  });
  return line.trimEnd();
}

async function* tableRows<Item, Head extends object, Tail extends object>(
  listing: Listing<Item, Head, Tail>,
  { columns }: Frame<Item, Head, Tail>,
): AsyncGenerator<string, void> {
  let shown: readonly Column<Item>[] | undefined;
  for await (const batch of listing.batches()) {
    if (batch.length === 0) continue;
    if (shown === undefined) {
      shown = columnsFor(batch, columns);
      yield `${shown.map(({ title }) => title).join('\t')}\n`;
    }
    const all = shown;
    const lineOf = (item: Item): string =>
      all.map(({ text, value }) => cell(value === undefined ? text(item) : value(item))).join('\t');
    yield linesOf(batch.map(lineOf));
  }
}

import stringWidth from 'string-width';

const NARROW = /^[\u0020-\u007e\u00a0-\u02ff\u2190-\u21ff\u2500-\u25ff]*$/;
const segmenter = new Intl.Segmenter();
const ELLIPSIS = '…';

/** How many cells of a terminal a text takes. It must hold no control characters. */
export const widthOf = (text: string): number =>
  NARROW.test(text) ? text.length : stringWidth(text);

/** The start of a text that fits into so many cells. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  if (NARROW.test(text)) return text.length <= width ? text : text.slice(0, width);
  let used = 0;
  let end = 0;
  for (const { segment, index } of segmenter.segment(text)) {
    used += stringWidth(segment);
    if (used > width) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}

/** A text that fits, with a mark where it was cut. */
export const shorten = (text: string, width: number): string =>
  widthOf(text) <= width ? text : `${cut(text, width - 1)}${width > 0 ? ELLIPSIS : ''}`;

/** The end of a text that fits, with a mark before it: of a path, that is what tells most. */
export function shortenStart(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 0) return '';
  const segments = [...segmenter.segment(text)].map(({ segment }) => segment);
  let used = 1;
  let start = segments.length;
  while (start > 0) {
    used += widthOf(segments[start - 1] ?? '');
    if (used > width) break;
    start--;
  }
  return `${ELLIPSIS}${segments.slice(start).join('')}`;
}

/** A text in exactly so many cells. */
export function fit(text: string, width: number, isRight = false): string {
  const shortened = shorten(text, width);
  const padding = ' '.repeat(Math.max(0, width - widthOf(shortened)));
  return isRight ? `${padding}${shortened}` : `${shortened}${padding}`;
}

/** Breaks a text at its words; words that are wider than a line are cut apart. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    const [indent = ''] = /^ */.exec(paragraph) ?? [];
    let line = indent;
    for (const word of paragraph.slice(indent.length).split(' ')) {
      const longer = line === indent ? line + word : `${line} ${word}`;
      if (widthOf(longer) <= width) {
        line = longer;
        continue;
      }
      if (line !== indent) lines.push(line);
      line = word;
      while (widthOf(line) > width && width > 0) {
        // Of what is drawn as one, but has no room, its first character.
        const start = cut(line, width) || String.fromCodePoint(line.codePointAt(0) ?? 0);
        lines.push(start);
        line = line.slice(start.length);
      }
    }
    lines.push(line);
  }
  return lines;
}

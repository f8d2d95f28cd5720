/**
 * A text in lines that are no wider than a terminal, broken between words; a word that is wider has a line of its own.
 * Without a terminal it is one line.
 *
 * @param first what stands before the first line, `next` before the others
 */
export function indented(
  text: string,
  first: string,
  next: string,
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(' ')) {
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = next;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}

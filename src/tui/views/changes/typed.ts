import { asHexzError, HexzError } from '../../../engine/errors.js';
import { resolve } from '../../../repl/commands/all.js';
import type { ParsedValues } from '../../../repl/commands/definition.js';
import { pagesKind } from '../../../repl/commands/kinds.js';
import { parseArguments } from '../../../repl/commands/parseArguments.js';
import type { PageRange } from '../../../repl/language/pages.js';
import { Source } from '../../../repl/language/source.js';
import type { Session } from '../../../repl/session.js';

/** What the words of a statement stand for that was run. */
export async function valuesOf(session: Session, text: string): Promise<ParsedValues> {
  const source = new Source(text);
  const [statement] = session.parse(source);
  if (statement === undefined) return {};
  const known = resolve(statement, source);
  return parseArguments(known.definition, known.statement, source, session);
}

/**
 * Pages as commands take them: `7`, `7-9`, `0x7000`, `1M+64K`.
 *
 * @throws HexzError USAGE
 */
export async function parsePages(session: Session, text: string): Promise<PageRange> {
  const word = text.trim();
  const places = Array.from(word, (_, index) => index);
  const source = new Source(word);
  try {
    return await pagesKind.parse(
      { text: word, start: 0, end: word.length, places, isQuoted: false },
      { session, source, stream: 'disk', isRaw: false, isBase: false },
    );
  } catch (error) {
    // It is all of the line: the place in it says nothing.
    const { code, message, hint } = asHexzError(error);
    throw new HexzError(code, message, { hint });
  }
}

/** The first pages that the words of a statement name. */
export function firstPages(values: ParsedValues): PageRange | undefined {
  const { pages, page } = values;
  const [first] = Array.isArray(pages) ? pages : [pages ?? page];
  return isPages(first) ? first : undefined;
}

const isPages = (value: unknown): value is PageRange =>
  typeof value === 'object' && value !== null && 'pageIndex' in value && 'pageCount' in value;

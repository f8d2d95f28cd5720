/** How patterns are written, as short as it can be said; docs/search.md has all of it. */
export const PATTERN_HINT = 'text  i:any case  u:UTF-16  x:de??beef  r:[a-z]+';

/** The topic `help search`. */
export const patternHelp: readonly string[] = [
  'What find, / and \\ look for is a pattern:',
  '',
  '  text, t:text    the text as it is, in UTF-8; t: where it begins like a row below',
  '  i:text          capitals and small letters being the same',
  '  w:text, u:text  the text in UTF-16 as Windows has it, or of either byte order',
  '  iw:text iu:text the same, capitals and small letters being the same',
  '  x:de??beef      bytes in hexadecimal digits; ? is any half of a byte',
  '  r:[a-z]+        a regular expression over bytes; r/[a-z]+/i with flags',
  '',
  'Anything else is text: hex:00, /x/ and 0x00 are looked for as letters.',
  'In a command, quote what has blanks or | ; > # in it:',
  "  find disk 'r:id_(rsa|dsa)'",
  'docs/search.md says more.',
];

interface Lookalike {
  readonly form: RegExp;
  /** What people mean by it. */
  readonly kind: string;
  /** How that is written. */
  readonly rewrite: (rest: string) => string;
}

const digitsOnly = (text: string): string => text.replace(/\\x|0x|[\s,]/gi, '');

/** Ways in which other tools write what here is written otherwise. Each has one group, what follows the prefix. */
const lookalikes: readonly Lookalike[] = [
  {
    form: /^(?:hex|bytes?|b|h):\s*((?:0x|\\x)?[\da-f?][\da-f?\s,\\x]*)$/i,
    kind: 'bytes',
    rewrite: (rest) => `x:${digitsOnly(rest)}`,
  },
  { form: /^X:(.+)$/, kind: 'bytes', rewrite: (rest) => `x:${rest}` },
  {
    form: /^(0x[\da-f]{2,}|(?:\\x[\da-f]{2})+|[\da-f]{2}(?:\s[\da-f]{2})+)$/i,
    kind: 'bytes',
    rewrite: (rest) => `x:${digitsOnly(rest)}`,
  },
  { form: /^(\/.+\/[a-z]*)$/, kind: 'a regular expression', rewrite: (rest) => `r${rest}` },
  {
    form: /^(?:re|rx|regexp?|R):(.+)$/,
    kind: 'a regular expression',
    rewrite: (rest) => `r:${rest}`,
  },
  { form: /^r\/(.+)$/, kind: 'a regular expression', rewrite: (rest) => `r:${rest}` },
  {
    form: /^(?:utf-?16|unicode|wide|U|W)(?:le|be)?:(.+)$/i,
    kind: 'UTF-16',
    rewrite: (rest) => `u:${rest}`,
  },
  {
    form: /^(?:utf-?8|ascii|text|str|string|T):(.+)$/,
    kind: 'text alone',
    rewrite: (rest) => rest,
  },
  {
    form: /^(?:icase|nocase|ignorecase|I):(.+)$/,
    kind: 'any case',
    rewrite: (rest) => `i:${rest}`,
  },
];

/** What patterns have for prefixes (docs/search.md). */
const PREFIX = /^(?:[xr]:|r\/.*\/[a-z]*$|(?:i[tuw]?|[tuw]):)/s;

/**
 * Of a pattern that is taken for text, though it looks as if something else was meant: how it is understood, and how that
 * is written. Undefined for all others.
 */
export function lookalikeNote(pattern: string): string | undefined {
  if (PREFIX.test(pattern)) return undefined;
  for (const { form, kind, rewrite } of lookalikes) {
    const rest = form.exec(pattern)?.[1];
    if (rest === undefined) continue;
    return `searching the text "${pattern}"; for ${kind} write ${rewrite(rest)}`;
  }
  return undefined;
}

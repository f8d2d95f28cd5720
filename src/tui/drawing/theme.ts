/**
 * What a piece of text means; never how it looks. One meaning has one look everywhere, and none is told by colour
 * alone.
 */
export type Style =
  | 'plain'
  | 'dim'
  | 'strong'
  | 'heading'
  | 'key'
  /** Reads that cool down: now, a moment ago, a while ago. */
  | 'hot'
  | 'warm'
  | 'cold'
  | 'dirty'
  | 'difference'
  | 'error'
  | 'good'
  /** Classes of bytes. */
  | 'nul'
  | 'printable'
  | 'space'
  | 'control'
  | 'high';

/** Of the terminal's own sixteen colours, which its owner has chosen to be readable on its background. */
const codes: Readonly<Record<Style, string>> = {
  plain: '',
  dim: '2',
  strong: '1',
  heading: '1',
  key: '1',
  hot: '1',
  warm: '36',
  cold: '34',
  dirty: '33',
  difference: '35',
  error: '31',
  good: '32',
  nul: '2',
  printable: '',
  space: '32',
  control: '33',
  high: '34',
};

/** Without colours, those that help without any: dim, bold and inverse are none. */
const attributeOnly = (code: string): string => (code.length > 1 ? '' : code);

const RESET = '\u001b[0m';

/** How styles look on this terminal. */
export class Theme {
  /** Whether a colour can say something; without, another sign has to. */
  readonly isColoured: boolean;
  readonly #codes: Readonly<Record<Style, string>>;

  constructor(options: { readonly isColoured: boolean }) {
    this.isColoured = options.isColoured;
    this.#codes = options.isColoured
      ? codes
      : (Object.fromEntries(
          Object.entries(codes).map(([style, code]) => [style, attributeOnly(code)]),
        ) as Record<Style, string>);
  }

  /** What switches a style on; the empty string for plain text. */
  begin(style: Style, isInverse = false): string {
    const code = this.#codes[style];
    if (!isInverse) return code === '' ? '' : `\u001b[${code}m`;
    return `\u001b[${code === '' ? '' : `${code};`}7m`;
  }

  /** What switches any style off. */
  readonly end = RESET;
}

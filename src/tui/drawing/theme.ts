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

/** Of the terminal's own sixteen colours: its owner may have chosen them to be readable on its background. */
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

/**
 * Where it is known how light the background is, and there are 256 colours: others for those of the sixteen that most
 * terminals show too faint on it. With these, any text has a contrast of at least 4.5 to 1.
 */
const onLight: Partial<Record<Style, string>> = {
  warm: '38;5;24',
  cold: '38;5;19',
  dirty: '38;5;94',
  difference: '38;5;90',
  error: '38;5;124',
  good: '38;5;28',
  space: '38;5;28',
  control: '38;5;94',
  high: '38;5;19',
};
const onDark: Partial<Record<Style, string>> = {
  cold: '38;5;75',
  error: '38;5;203',
  high: '38;5;75',
};

/** Without colours, those that help without any: dim, bold and inverse are none. */
const attributeOnly = (code: string): string => (code.length > 1 ? '' : code);

const RESET = '\u001b[0m';

/** How styles look on this terminal. */
export class Theme {
  /** Whether a colour can say something; without, another sign has to. */
  readonly isColoured: boolean;
  /** Whether they look otherwise once the background is known. */
  readonly dependsOnBackground: boolean;
  #codes: Readonly<Record<Style, string>>;

  constructor(options: { readonly isColoured: boolean; readonly hasManyColours?: boolean }) {
    this.isColoured = options.isColoured;
    this.dependsOnBackground = options.isColoured && options.hasManyColours === true;
    this.#codes = options.isColoured
      ? codes
      : (Object.fromEntries(
          Object.entries(codes).map(([style, code]) => [style, attributeOnly(code)]),
        ) as Record<Style, string>);
  }

  /** How light the terminal is, which it tells when it is asked. */
  setBackground(isLight: boolean): void {
    if (this.dependsOnBackground) this.#codes = { ...codes, ...(isLight ? onLight : onDark) };
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

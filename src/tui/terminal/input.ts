/** What a person did. */
export type Input =
  /** A key by its name: a character, or `up`, `ctrl+c`, `alt+b`, `shift+tab`, … */
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'paste'; readonly text: string }
  /** Not the person, but his terminal: whether dark text stands on light ground there. */
  | { readonly kind: 'background'; readonly isLight: boolean }
  /** Row and column from 0. */
  | { readonly kind: 'press'; readonly row: number; readonly column: number }
  /** Lines of the wheel, negative upwards. */
  | {
      readonly kind: 'wheel';
      readonly row: number;
      readonly column: number;
      readonly lines: number;
    };

const ESCAPE = '\u001b';
const PASTE_START = `${ESCAPE}[200~`;
const PASTE_END = `${ESCAPE}[201~`;
/** Of what is pasted, more makes no sense on a prompt. */
const MAX_PASTE_CHARACTERS = 1024 * 1024;
/** No key has a longer one; what is longer is no sequence. */
const MAX_SEQUENCE_CHARACTERS = 64;
const WHEEL_LINES = 3;

const finals: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
};

const numbered: Readonly<Record<string, string>> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
  11: 'f1',
  12: 'f2',
  13: 'f3',
  14: 'f4',
  15: 'f5',
};

const controls: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\u007f': 'backspace',
  '\b': 'backspace',
  '\u0000': 'ctrl+space',
  ' ': 'space',
};

/** Everything but the last byte of a control sequence (ECMA-48, 5.4). */
const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what terminals send
  /^\u001b(?:\[([\u0030-\u003f]*)[\u0020-\u002f]*([\u0040-\u007e])|O([\u0040-\u007e]))/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what terminals send
const UNFINISHED = /^\u001b(?:\[[\u0020-\u003f]*|O|\](?:1(?:1(?:;[^\u0007\u001b]*\u001b?)?)?)?)?$/;
/** The answer to BACKGROUND_QUERY: sixteen bits of each colour, of which the first eight tell enough. */
const BACKGROUND =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what terminals send
  /^\u001b\]11;rgba?:([\da-f]{2})[\da-f]*\/([\da-f]{2})[\da-f]*\/([\da-f]{2})[^\u0007\u001b]*(?:\u0007|\u001b\\)/i;
/** Asks an xterm for the colour of its background (OSC 11). */
export const BACKGROUND_QUERY = '\u001b]11;?\u001b\\';

/**
 * Makes keys, pastes and presses out of what a terminal sends (xterm's control sequences, with SGR mouse reports and
 * bracketed paste).
 *
 * State: `#pending` is a sequence whose end has not come yet; `#pasted` what was pasted so far, while a paste lasts.
 * A single escape cannot be told from the start of a sequence: `flush` says that nothing more came.
 */
export class InputDecoder {
  #pending = '';
  #pasted: string | undefined;

  /** Whether a key may be waiting for `flush`. */
  get isWaiting(): boolean {
    return this.#pasted === undefined && this.#pending !== '';
  }

  take(text: string): Input[] {
    this.#pending += text;
    const inputs: Input[] = [];
    while (this.#pending !== '') {
      const before = this.#pending.length;
      const input = this.#pasted === undefined ? this.#next() : this.#nextPasted(this.#pasted);
      if (input !== undefined) inputs.push(input);
      else if (this.#pending.length === before) break;
    }
    return inputs;
  }

  /** What was held back, as the keys that it is if nothing follows. */
  flush(): Input[] {
    if (!this.isWaiting) return [];
    const keys = [...this.#pending].map((character) => keyOf(character));
    this.#pending = '';
    return keys;
  }

  /** Undefined, with nothing taken, when more has to come. */
  #next(): Input | undefined {
    const text = this.#pending;
    if (text.startsWith(PASTE_START)) {
      this.#pending = text.slice(PASTE_START.length);
      this.#pasted = '';
      return undefined;
    }
    if (!text.startsWith(ESCAPE)) return this.#takeKey(text);
    if (text.length <= MAX_SEQUENCE_CHARACTERS && UNFINISHED.test(text)) return undefined;
    const background = BACKGROUND.exec(text);
    if (background !== null) {
      this.#pending = text.slice(background[0].length);
      return { kind: 'background', isLight: isLight(background.slice(1, 4)) };
    }
    const sequence = SEQUENCE.exec(text);
    if (sequence === null && text[1] === ESCAPE) return this.#takeKey(text);
    if (sequence === null) {
      this.#pending = text.slice(1);
      return this.#takeKey(this.#pending, 'alt+');
    }
    const [all, parameters = '', final = '', short = ''] = sequence;
    this.#pending = text.slice(all.length);
    if (short !== '') return named(finals[short], '');
    return sequenceInput(parameters, final);
  }

  #takeKey(text: string, modifier = ''): Input {
    const character = String.fromCodePoint(text.codePointAt(0) ?? 0);
    this.#pending = text.slice(character.length);
    return keyOf(character, modifier);
  }

  #nextPasted(pasted: string): Input | undefined {
    const end = this.#pending.indexOf(PASTE_END);
    // The end may have come in part.
    const length = end === -1 ? Math.max(0, this.#pending.length - PASTE_END.length) : end;
    this.#pasted = (pasted + this.#pending.slice(0, length)).slice(0, MAX_PASTE_CHARACTERS);
    this.#pending = this.#pending.slice(end === -1 ? length : end + PASTE_END.length);
    if (end === -1) return undefined;
    const text = this.#pasted;
    this.#pasted = undefined;
    return { kind: 'paste', text };
  }
}

/** As bright as the eye finds it (Rec. 601). */
function isLight(colours: readonly string[]): boolean {
  const [red = 0, green = 0, blue = 0] = colours.map((digits) => Number.parseInt(digits, 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 128;
}

function keyOf(character: string, modifier = ''): Input {
  const name = controls[character];
  if (name !== undefined) return { kind: 'key', key: modifier + name };
  if (character === ESCAPE) return { kind: 'key', key: `${modifier}escape` };
  const code = character.codePointAt(0) ?? 0;
  const key = code < 0x20 ? `ctrl+${String.fromCharCode(code + 0x60)}` : character;
  return { kind: 'key', key: modifier + key };
}

function sequenceInput(parameters: string, final: string): Input | undefined {
  if (parameters.startsWith('<') && (final === 'M' || final === 'm')) {
    return mouseInput(parameters.slice(1), final === 'M');
  }
  const [first = '', modifiers = ''] = parameters.split(';');
  if (final === 'Z') return { kind: 'key', key: 'shift+tab' };
  return named(final === '~' ? numbered[first] : finals[final], modifiers);
}

/** What has no name is passed over. */
function named(name: string | undefined, modifiers: string): Input | undefined {
  if (name === undefined) return undefined;
  const bits = Math.max(0, Number(modifiers || 1) - 1);
  const prefix = `${(bits & 4) !== 0 ? 'ctrl+' : ''}${(bits & 2) !== 0 ? 'alt+' : ''}${(bits & 1) !== 0 ? 'shift+' : ''}`;
  return { kind: 'key', key: prefix + name };
}

function mouseInput(parameters: string, isPress: boolean): Input | undefined {
  const [button = 0, column = 1, row = 1] = parameters.split(';').map(Number);
  const place = { row: row - 1, column: column - 1 };
  if (button === 64 || button === 65) {
    return { kind: 'wheel', ...place, lines: button === 64 ? -WHEEL_LINES : WHEEL_LINES };
  }
  return button === 0 && isPress ? { kind: 'press', ...place } : undefined;
}

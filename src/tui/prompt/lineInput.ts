import type { Input } from '../terminal/input.js';

/** What a word before the cursor can become (`repl/completion`). */
interface Completion {
  readonly start: number;
  readonly candidates: readonly string[];
}

export interface LineInputOptions {
  /** What is offered, and stands there at first. */
  readonly text?: string;
  /** The oldest first. */
  readonly history?: readonly string[];
  readonly complete?: (line: string) => Promise<Completion>;
  /** Something is to be painted that did not come from a key. */
  readonly changed: () => void;
}

/** Whether a key has ended the input. */
type Outcome = 'going' | 'entered' | 'cancelled';

const WORD_BEFORE = /\S+\s*$|\s+$/;
const WORD_BEHIND = /^\s*\S+|^\s+/;
const LINE_FEEDS = /[\r\n]+/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is taken out
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/**
 * A line that is being typed.
 *
 * State: `text` and `cursor` (a place between its characters); `#at` is the line of the history that is shown, with
 * what was typed kept in `#draft`; `candidates` are shown while several are left. While `isOffered`, the text is what
 * was there before anything was typed: what is typed or pasted takes its place, every other key edits it.
 */
export class LineInput {
  text: string;
  cursor: number;
  candidates: readonly string[] = [];
  isOffered: boolean;
  readonly #options: LineInputOptions;
  readonly #history: readonly string[];
  #at: number;
  #draft = '';

  constructor(options: LineInputOptions) {
    this.#options = options;
    this.text = options.text ?? '';
    this.cursor = this.text.length;
    this.isOffered = this.text !== '';
    this.#history = options.history ?? [];
    this.#at = this.#history.length;
  }

  take(input: Input): Outcome {
    if (input.kind === 'paste')
      this.#insert(input.text.replace(LINE_FEEDS, ' ').replace(CONTROLS, ''));
    if (input.kind !== 'key') return 'going';
    const { key } = input;
    if (key !== 'tab') this.candidates = [];
    const outcome = this.#key(key);
    this.isOffered = false;
    return outcome;
  }

  #key(key: string): Outcome {
    switch (key) {
      case 'enter':
        return 'entered';
      case 'escape':
      case 'ctrl+c':
        return 'cancelled';
      case 'backspace':
        if (this.text === '') return 'cancelled';
        this.#erase(this.#before(), this.cursor);
        break;
      case 'ctrl+d':
        if (this.text === '') return 'cancelled';
        this.#erase(this.cursor, this.#behind());
        break;
      case 'tab':
        void this.#complete();
        break;
      default:
        this.#edit(key);
    }
    return 'going';
  }

  #edit(key: string): void {
    switch (key) {
      case 'left':
      case 'ctrl+b':
        this.cursor = this.#before();
        return;
      case 'right':
      case 'ctrl+f':
        this.cursor = this.#behind();
        return;
      case 'home':
      case 'ctrl+a':
        this.cursor = 0;
        return;
      case 'end':
      case 'ctrl+e':
        this.cursor = this.text.length;
        return;
      case 'alt+b':
      case 'ctrl+left':
        this.cursor = this.#wordStart();
        return;
      case 'alt+f':
      case 'ctrl+right':
        this.cursor += WORD_BEHIND.exec(this.text.slice(this.cursor))?.[0].length ?? 0;
        return;
      case 'delete':
        this.#erase(this.cursor, this.#behind());
        return;
      case 'ctrl+u':
        this.#erase(0, this.cursor);
        return;
      case 'ctrl+k':
        this.#erase(this.cursor, this.text.length);
        return;
      case 'ctrl+w':
      case 'alt+backspace':
        this.#erase(this.#wordStart(), this.cursor);
        return;
      case 'up':
      case 'ctrl+p':
        this.#recall(-1);
        return;
      case 'down':
      case 'ctrl+n':
        this.#recall(1);
        return;
      case 'space':
        this.#insert(' ');
        return;
    }
    // Anything else that has a name is no text.
    if ([...key].length === 1) this.#insert(key);
  }

  #insert(text: string): void {
    if (this.isOffered) this.#erase(0, this.text.length);
    this.isOffered = false;
    this.text = this.text.slice(0, this.cursor) + text + this.text.slice(this.cursor);
    this.cursor += text.length;
  }

  #erase(start: number, end: number): void {
    this.text = this.text.slice(0, start) + this.text.slice(end);
    this.cursor = start;
  }

  /** Places between characters, not between the halves of one. */
  #before(): number {
    return this.cursor - ([...this.text.slice(0, this.cursor)].at(-1)?.length ?? 0);
  }

  #behind(): number {
    return this.cursor + ([...this.text.slice(this.cursor)][0]?.length ?? 0);
  }

  #wordStart(): number {
    return this.cursor - (WORD_BEFORE.exec(this.text.slice(0, this.cursor))?.[0].length ?? 0);
  }

  #recall(step: number): void {
    const at = this.#at + step;
    if (at < 0 || at > this.#history.length) return;
    if (this.#at === this.#history.length) this.#draft = this.text;
    this.#at = at;
    this.text = this.#history[at] ?? this.#draft;
    this.cursor = this.text.length;
  }

  async #complete(): Promise<void> {
    const { complete, changed } = this.#options;
    const line = this.text.slice(0, this.cursor);
    if (complete === undefined) return;
    const { start, candidates } = await complete(line).catch(() => ({ start: 0, candidates: [] }));
    // Whoever has typed on meanwhile wants something else.
    if (this.text.slice(0, this.cursor) !== line || candidates.length === 0) return;
    const common = commonStart(candidates);
    const [only] = candidates;
    const isWhole = candidates.length === 1 && only !== undefined && !/[/:]$/.test(only);
    this.#erase(start, this.cursor);
    this.#insert(isWhole ? `${common} ` : common);
    this.candidates = candidates.length > 1 ? candidates : [];
    changed();
  }
}

function commonStart(texts: readonly string[]): string {
  let [common = ''] = texts;
  for (const text of texts) {
    while (!text.startsWith(common)) common = common.slice(0, -1);
  }
  return common;
}

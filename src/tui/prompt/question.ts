import { printable } from '../../repl/rendering/values.js';
import { Line } from '../drawing/line.js';
import { widthOf, wrap } from '../drawing/text.js';
import type { Theme } from '../drawing/theme.js';
import type { Input } from '../terminal/input.js';
import type { Choice } from '../views/view.js';
import type { LineInput } from './lineInput.js';

/** The second half of a character. */
const LOW_SURROGATE = /[\udc00-\udfff]/;

/** What the screen waits for; it takes the keys before anything else does. */
export interface Question {
  /** Answers whether it is settled. */
  take(input: Input): boolean;
  /** Rows above the keys. */
  draw(theme: Theme, columns: number): string[];
  /** What could be typed next, to be shown above it. */
  readonly candidates: readonly string[];
}

/** A line of text. */
export class LineQuestion implements Question {
  readonly #label: string;
  readonly #input: LineInput;
  readonly #settle: (text: string | undefined) => void;
  readonly #hint: string;

  /** @param hint what can be typed; shown while the text leaves room for it */
  constructor(
    label: string,
    input: LineInput,
    settle: (text: string | undefined) => void,
    hint = '',
  ) {
    this.#hint = hint;
    this.#label = label;
    this.#input = input;
    this.#settle = settle;
  }

  get candidates(): readonly string[] {
    return this.#input.candidates;
  }

  take(input: Input): boolean {
    const outcome = this.#input.take(input);
    if (outcome === 'going') return false;
    this.#settle(outcome === 'entered' ? this.#input.text : undefined);
    return true;
  }

  /** The part around the cursor, where not all of it has room; inverse, where it gives way to what is typed. */
  draw(theme: Theme, columns: number): string[] {
    const line = new Line(theme, columns).add(this.#label, 'strong');
    const { text, cursor, isOffered } = this.#input;
    const room = Math.max(1, line.room - 1);
    // However long the text is, no more of it than has room is looked at: it is drawn with every key.
    let start = Math.max(0, cursor - room);
    while (start < cursor && widthOf(text.slice(start, cursor)) >= room) start++;
    if (LOW_SURROGATE.test(text.charAt(start))) start++;
    const behind = text.slice(cursor, cursor + room);
    const at = [...behind][0] ?? ' ';
    line
      .add(printable(text.slice(start, cursor)), 'plain', isOffered)
      .add(printable(at), 'plain', true)
      .add(printable(behind.slice(at.length)));
    if (line.room > widthOf(this.#hint)) line.right(this.#hint, 'dim');
    return [line.end()];
  }
}

/** One key out of a few. */
export class ChoiceQuestion<Answer extends string> implements Question {
  readonly candidates = [];
  readonly #question: string;
  readonly #choices: readonly Choice<Answer>[];
  readonly #settle: (answer: Answer | undefined) => void;

  constructor(
    question: string,
    choices: readonly Choice<Answer>[],
    settle: (answer: Answer | undefined) => void,
  ) {
    this.#question = question;
    this.#choices = choices;
    this.#settle = settle;
  }

  take(input: Input): boolean {
    if (input.kind !== 'key') return false;
    const { key } = input;
    const choice = this.#choices.find((each) => each.key === key);
    if (choice === undefined && key !== 'escape' && key !== 'ctrl+c') return false;
    this.#settle(choice?.answer);
    return true;
  }

  /** All of it, in as many rows as that takes: nobody answers what he cannot read. */
  draw(theme: Theme, columns: number): string[] {
    const rows = wrap(this.#question, Math.max(1, columns));
    let line = new Line(theme, columns).add(rows.pop() ?? '', 'strong');
    const drawn = rows.map((text) => new Line(theme, columns).add(text, 'strong').end());
    for (const { key, label } of [...this.#choices, { key: 'Esc', label: 'back' }]) {
      if (line.room < widthOf(key) + widthOf(label) + 3) {
        drawn.push(line.end());
        line = new Line(theme, columns);
      }
      line
        .add(line.column === 0 ? '' : '  ')
        .add(key, 'key')
        .add(` ${label}`);
    }
    return [...drawn, line.end()];
  }
}

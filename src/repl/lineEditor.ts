import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Completion } from './completion.js';

/** What a person did at a prompt: gave a line, pressed Ctrl+C, or Ctrl+D. */
export type Typed =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'end' };

const MAX_HISTORY = 2000;

/**
 * Reads lines from a terminal, one when it is asked for. Between the questions the terminal is as other programs
 * expect it.
 *
 * State: `#editor` while a question is open. `#waiting` are lines that came with the answer to an earlier one, and
 * `#begun` what was typed of the next; pasted text comes so.
 */
export class LineEditor {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #complete: (line: string) => Promise<Completion>;
  /** The newest first, as the editor wants it. */
  readonly #history: string[];
  #editor: Interface | undefined;
  #waiting: string[] = [];
  #begun = '';
  #stop: () => void = () => {};

  constructor(
    input: ReadStream,
    output: WriteStream,
    history: readonly string[],
    complete: (line: string) => Promise<Completion>,
  ) {
    this.#input = input;
    this.#output = output;
    this.#history = [...history].reverse();
    this.#complete = complete;
  }

  /** Asks for a command. */
  async ask(prompt: string): Promise<Typed> {
    const typed = await this.#read(prompt, {
      history: [...this.#history],
      historySize: MAX_HISTORY,
      completer: (line: string, answer: (error: null, found: [string[], string]) => void) => {
        const nothing = (): void => answer(null, [[], line]);
        this.#complete(line).then(
          (completion) => answer(null, completedLine(completion, line)),
          nothing,
        );
      },
    });
    if (typed.kind === 'line' && typed.text.trim() !== '' && typed.text !== this.#history[0]) {
      this.#history.unshift(typed.text);
    }
    return typed;
  }

  /** Asks for something that is no command. */
  question(prompt: string): Promise<Typed> {
    this.#waiting = [];
    this.#begun = '';
    return this.#read(prompt, { history: [], historySize: 0 });
  }

  /** Shows a line above what is being typed. */
  show(line: string): void {
    if (this.#editor !== undefined) {
      clearLine(this.#output, 0);
      cursorTo(this.#output, 0);
    }
    this.#output.write(`${line}\n`);
    this.#editor?.prompt(true);
  }

  /** Ends an open question, as Ctrl+D does. */
  stop(): void {
    this.#stop();
  }

  async #read(prompt: string, options: object): Promise<Typed> {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      this.#output.write(`${prompt}${waiting}\n`);
      return { kind: 'line', text: waiting };
    }
    const editor = createInterface({
      input: this.#input,
      output: this.#output,
      terminal: true,
      ...options,
    });
    this.#editor = editor;
    try {
      return await new Promise<Typed>((resolve) => {
        editor.on('line', (text) => {
          this.#waiting.push(text);
          resolve({ kind: 'line', text: '' });
        });
        editor.on('SIGINT', () => resolve({ kind: 'interrupt' }));
        editor.on('close', () => resolve({ kind: 'end' }));
        this.#stop = () => resolve({ kind: 'end' });
        editor.setPrompt(prompt);
        editor.prompt();
        if (this.#begun !== '') editor.write(this.#begun);
      }).then((typed) => this.#finish(typed, editor));
    } finally {
      this.#editor = undefined;
      this.#stop = () => {};
      editor.close();
    }
  }

  #finish(typed: Typed, editor: Interface): Typed {
    this.#begun = typed.kind === 'line' ? editor.line : '';
    if (typed.kind === 'line') return { kind: 'line', text: this.#waiting.shift() ?? '' };
    this.#output.write(typed.kind === 'interrupt' ? '^C\n' : '\n');
    return typed;
  }
}

/** The only candidate is a word that has come to its end, unless there is more to say in it. */
function completedLine({ candidates, start }: Completion, line: string): [string[], string] {
  const [only] = candidates;
  const isWhole = candidates.length === 1 && only !== undefined && !/[/:]$/.test(only);
  return [isWhole ? [`${only} `] : [...candidates], line.slice(start)];
}

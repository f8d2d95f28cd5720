import { type ErrorLocation, HexzError } from '../engine/errors.js';
import type { Answer } from './commands/definition.js';
import type { Source } from './language/source.js';
import { type Output, writeAll } from './output.js';
import type { ProgressLine } from './progressLine.js';
import { jsonPieces } from './rendering/json.js';
import { type Pieces, paint, type View } from './rendering/rendering.js';
import { printable, toJsonText } from './rendering/values.js';
import type { Settings } from './settings.js';

/** Shows what commands answer. */
export interface Reporter {
  /** Whether programs print to our own outputs, or into results. */
  readonly programOutput: 'shared' | 'captured';
  readonly view: View;
  /** A program that shows text which may be long. */
  readonly pager?: string | undefined;
  /** How far the command is that runs. */
  readonly progress?: ProgressLine | undefined;
  /** Shows an answer. @throws what its items throw */
  result(command: string, answer: Answer, format: Settings['format']): Promise<void>;
  /**
   * A command has ended, with an error if it has one.
   *
   * @param place where the command is in a script, if the error itself names another place
   */
  end(
    command: string,
    error: HexzError | undefined,
    source: Source,
    place?: ErrorLocation,
  ): Promise<void>;
}

/** An answer in one of the formats. */
export function renderAnswer(answer: Answer, format: Settings['format'], view: View): Pieces {
  if (format === 'text') return answer.text(view);
  return format === 'table' ? answer.table(view) : jsonLine(answer);
}

async function* jsonLine({ result }: Answer): AsyncGenerator<string, void> {
  yield* jsonPieces(result);
  yield '\n';
}

/** For people: results on one output, errors on another. */
export class TextReporter implements Reporter {
  readonly programOutput = 'shared';
  readonly view: View;
  readonly #output: Output;
  readonly #errors: Output;
  readonly #isTyped: boolean;
  readonly pager: string | undefined;
  readonly progress: ProgressLine | undefined;

  /** @param options.isTyped whether who reads it has typed the commands, and sees them */
  constructor(
    outputs: { readonly output: Output; readonly errors: Output },
    view: View,
    options: {
      readonly isTyped: boolean;
      readonly pager?: string | undefined;
      readonly progress?: ProgressLine | undefined;
    },
  ) {
    this.#output = outputs.output;
    this.#errors = outputs.errors;
    this.view = view;
    this.#isTyped = options.isTyped;
    this.pager = options.pager;
    this.progress = options.progress;
  }

  result(_: string, answer: Answer, format: Settings['format']): Promise<void> {
    return writeAll(this.#output, renderAnswer(answer, format, this.view));
  }

  async end(
    _: string,
    error: HexzError | undefined,
    source: Source,
    place?: ErrorLocation,
  ): Promise<void> {
    if (error === undefined) return;
    const where = place === undefined ? '' : `${place.file}:${place.line}:${place.column}: `;
    await this.#errors.write(
      this.#isTyped
        ? this.#typed(error, source)
        : `hexz: ${printable(`${where}${error.toLine()}`)}\n`,
    );
  }

  /** The line that was typed, with a mark at the place. */
  #typed(error: HexzError, source: Source): string {
    if (error.code === 'CANCELLED') return 'cancelled\n';
    const { location, code, message, hint } = error;
    const line = location.file === undefined ? source.lineOf(location) : undefined;
    if (line === undefined || location.column === undefined) {
      return `${paint('error:', 'error', this.view)} ${printable(error.toLine())}\n`;
    }
    const text = printable(new HexzError(code, message, { hint }).toLine());
    const mark = `${' '.repeat(location.column - 1)}^`;
    return `  ${printable(line)}\n  ${mark}\n${paint('error:', 'error', this.view)} ${text}\n`;
  }
}

/**
 * For programs: a line of JSON for each command, `{"command":…,"result":…}` or `{"command":…,"error":…}`, or both where
 * a result came before the error.
 *
 * State: `#isOpen` while a line has a result and no end.
 */
export class JsonReporter implements Reporter {
  readonly programOutput = 'captured';
  readonly view: View = { isColoured: false, columns: undefined };
  readonly #output: Output;
  #isOpen = false;

  constructor(output: Output) {
    this.#output = output;
  }

  async result(command: string, answer: Answer): Promise<void> {
    this.#isOpen = true;
    await this.#output.write(`{"command":${toJsonText(command)},"result":`);
    await writeAll(this.#output, jsonPieces(answer.result));
  }

  async end(
    command: string,
    error: HexzError | undefined,
    _: Source,
    place?: ErrorLocation,
  ): Promise<void> {
    const start = this.#isOpen ? '' : `{"command":${toJsonText(command)}`;
    this.#isOpen = false;
    await this.#output.write(
      `${start}${error === undefined ? '' : `,"error":${toJsonText(error)}`}${place === undefined ? '' : `,"at":${toJsonText(place)}`}}\n`,
    );
  }
}

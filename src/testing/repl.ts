import type { ControlClient } from '../engine/control/client.js';
import { HexzError } from '../engine/errors.js';
import { Source } from '../repl/language/source.js';
import { JsonReporter } from '../repl/report.js';
import { runText } from '../repl/script.js';
import { Session } from '../repl/session.js';

/** What a command has answered. */
export interface ReplAnswer {
  /** As it was written. */
  readonly command: string;
  /** As `hexz inspect --json` prints it. */
  readonly result: Readonly<Record<string, unknown>>;
}

/** Runs commands over an engine, and collects what they answer. */
export class Repl {
  readonly #session: Session;

  constructor(client: ControlClient) {
    this.#session = new Session(client);
  }

  /** @throws HexzError with which the first one failed, with the command before its message */
  async run(lines: readonly string[]): Promise<readonly ReplAnswer[]> {
    let text = '';
    const reporter = new JsonReporter({
      write(piece) {
        text += piece;
        return undefined;
      },
    });
    const source = new Source(lines.join('\n'));
    const error = await runText(this.#session, source, reporter, new AbortController().signal);
    const answers = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ReplAnswer);
    if (error === undefined) return answers;
    const { code, message, hint, location } = error;
    throw new HexzError(code, `${answers.at(-1)?.command}: ${message}`, {
      hint,
      location,
      cause: error,
    });
  }
}

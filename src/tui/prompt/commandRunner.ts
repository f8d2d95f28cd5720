import { HexzError } from '../../engine/errors.js';
import type { Answer, CommandDefinition } from '../../repl/commands/definition.js';
import { Source } from '../../repl/language/source.js';
import { printable } from '../../repl/rendering/values.js';
import { type Reporter, renderAnswer } from '../../repl/report.js';
import { runText } from '../../repl/script.js';
import type { Session } from '../../repl/session.js';
import type { Settings } from '../../repl/settings.js';
import type { Style } from '../drawing/theme.js';

/** Shows what a command answers, as lines. */
export interface LineSink {
  line(text: string, style: Style): void;
}

/**
 * A view that shows what a command answers better than lines do. It says whether it takes it; then nothing else shows
 * it. `text` is the command as it was written.
 */
export type AnswerTaker = (
  command: CommandDefinition,
  answer: Answer,
  signal: AbortSignal,
  /** The statement that it answers. */
  text: string,
) => boolean | Promise<boolean>;

/** Runs commands of the REPL for the screen: programs never get the terminal, and answers become lines. */
export class CommandRunner {
  readonly #session: Session;
  readonly #taker: AnswerTaker;
  #running: AbortController | undefined;

  constructor(session: Session, taker: AnswerTaker) {
    this.#session = session;
    this.#taker = taker;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  cancel(): void {
    this.#running?.abort();
  }

  /**
   * Runs a line.
   *
   * @returns the error that stopped it
   */
  async run(text: string, columns: number, sink: LineSink): Promise<HexzError | undefined> {
    if (this.#running !== undefined) {
      return new HexzError('USAGE', 'a command is still running', { hint: 'Esc cancels it' });
    }
    const controller = new AbortController();
    this.#running = controller;
    try {
      const reporter = this.#reporter(columns, sink, controller.signal);
      return await runText(this.#session, new Source(text), reporter, controller.signal);
    } finally {
      this.#running = undefined;
    }
  }

  #reporter(columns: number, sink: LineSink, signal: AbortSignal): Reporter {
    const view = { isColoured: false, columns };
    return {
      programOutput: 'captured',
      view,
      result: async (command: string, answer: Answer, format: Settings['format']) => {
        const definition = definitionOf(command, this.#session.commands);
        const isTaken =
          definition !== undefined &&
          format === 'text' &&
          (await this.#taker(definition, answer, signal, command));
        if (!isTaken) await toLines(renderAnswer(answer, format, view), sink);
      },
      end: async (_: string, error: HexzError | undefined, source: Source) => {
        if (error !== undefined)
          for (const line of describe(error, source)) sink.line(line, 'error');
      },
    };
  }
}

/** The command whose name a statement begins with; the longer name first. */
function definitionOf(
  text: string,
  commands: readonly CommandDefinition[],
): CommandDefinition | undefined {
  const [first = '', second = ''] = text.trim().split(/\s+/);
  return (
    commands.find(({ name }) => name === `${first} ${second}`) ??
    commands.find(({ name, aliases }) => name === first || aliases.includes(first))
  );
}

async function toLines(
  pieces: AsyncIterable<string> | Iterable<string>,
  sink: LineSink,
): Promise<void> {
  let pending = '';
  for await (const piece of pieces) {
    const lines = (pending + piece).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) sink.line(printable(line.replaceAll('\t', '    ')), 'plain');
  }
  if (pending !== '') sink.line(printable(pending), 'plain');
}

/** The line that was typed with a mark at the place, where the error names one, and what is wrong. */
function describe(error: HexzError, source: Source): string[] {
  const { location, code, message, hint } = error;
  if (code === 'CANCELLED') return ['cancelled'];
  const line = location.file === undefined ? source.lineOf(location) : undefined;
  if (line === undefined || location.column === undefined) return [printable(error.toLine())];
  const text = printable(new HexzError(code, message, { hint }).toLine());
  return [`  ${printable(line)}`, `  ${' '.repeat(location.column - 1)}^`, text];
}

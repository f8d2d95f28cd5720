import { resolve } from 'node:path';
import { asHexzError, HexzError } from '../engine/errors.js';
import { lexicalRules } from './commands/all.js';
import type { Answer } from './commands/definition.js';
import { programEnvironment } from './commands/programs.js';
import { refuseServedFile, writePieces } from './files.js';
import { type Redirection, type Statement, scan } from './language/lexer.js';
import { Source } from './language/source.js';
import { outputOf, programFailure, runProgram } from './program.js';
import type { Pieces } from './rendering/rendering.js';
import { type Reporter, renderAnswer } from './report.js';
import type { RunOptions, Session } from './session.js';

/** Why a signal stops a script whose output takes no more: nobody reads it. It is no failure of a command. */
export const OUTPUT_UNWANTED = new HexzError('CANCELLED', 'nobody reads what is shown');

/**
 * Runs the commands of a text until one fails or ends the session. A text that cannot be understood as a whole is
 * not begun.
 *
 * @returns the error that stopped it; OUTPUT_UNWANTED where that was the reason of the signal and commands were not run
 */
export async function runText(
  session: Session,
  source: Source,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<HexzError | undefined> {
  let statements: readonly Statement[];
  try {
    statements = session.parse(source);
  } catch (error) {
    const wrong = asHexzError(error);
    await reporter.end((source.lineOf(wrong.location) ?? source.text).trim(), wrong, source);
    return wrong;
  }
  for (const statement of statements) {
    if (signal.reason === OUTPUT_UNWANTED) return OUTPUT_UNWANTED;
    const error = await runStatement(session, statement, source, reporter, signal);
    if (error !== undefined) return error;
    if (session.isOver) return undefined;
  }
  return undefined;
}

/** The same for lines that come one by one, as those of a pipe: each is run when it is complete. */
export async function runLines(
  session: Session,
  lines: AsyncIterable<string>,
  name: string,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<HexzError | undefined> {
  let pending: string[] = [];
  let firstLine = 1;
  const runPending = async (): Promise<HexzError | undefined> => {
    const source = new Source(pending.join('\n'), name, firstLine);
    firstLine += pending.length;
    pending = [];
    return runText(session, source, reporter, signal);
  };
  for await (const line of lines) {
    pending.push(line);
    if (scan(pending.join('\n'), lexicalRules).open !== undefined) continue;
    const error = await runPending();
    if (error !== undefined || session.isOver) return error;
  }
  return pending.length === 0 ? undefined : runPending();
}

async function runStatement(
  session: Session,
  statement: Statement,
  source: Source,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<HexzError | undefined> {
  const { programOutput, progress } = reporter;
  let failure: HexzError | undefined;
  let isShowing = false;
  try {
    progress?.begin();
    // A program may have the terminal.
    const hasTerminal = statement.redirection?.kind !== 'program' && !isPaged(session, reporter);
    const options: RunOptions = {
      signal,
      programOutput,
      onProgress: ({ doneBytes, totalBytes }) => {
        if (hasTerminal) progress?.show(doneBytes, totalBytes);
      },
    };
    const answer = await session.run(statement, source, options);
    const shown = await redirect(session, statement, answer, reporter, signal);
    isShowing = true;
    if (shown === answer && isPaged(session, reporter))
      await page(session, answer, reporter, signal);
    else await reporter.result(statement.text, shown, session.settings.format);
    failure = answer.failure ?? shown.failure;
  } catch (error) {
    failure = asHexzError(error);
  }
  progress?.clear();
  if (signal.reason === OUTPUT_UNWANTED && failure?.code === 'CANCELLED') {
    // Whoever had enough of an answer has got it.
    return isShowing ? undefined : OUTPUT_UNWANTED;
  }
  failure = failure === undefined ? undefined : inScript(failure, statement, source);
  const isElsewhere =
    failure !== undefined && source.name !== undefined && failure.location.file !== source.name;
  const place = isElsewhere ? source.locationOf(statement.start) : undefined;
  await reporter.end(statement.text, failure, source, place);
  return failure;
}

/** Of an error that names no place, a script's reader wants to know which of its lines it was. */
function inScript(error: HexzError, { start }: Statement, source: Source): HexzError {
  const { file, line } = error.location;
  if (source.name === undefined || file !== undefined || line !== undefined) return error;
  return error.at(source.locationOf(start));
}

/** Sends an answer where its statement says, and answers what became of it. */
async function redirect(
  session: Session,
  { redirection }: Statement,
  answer: Answer,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<Answer> {
  if (redirection === undefined) return answer;
  const view = { isColoured: false, columns: undefined };
  const pieces = renderAnswer(answer, session.settings.format, view);
  if (redirection.kind === 'file') {
    const file = fileOf(redirection);
    await refuseServedFile(session.client, file);
    const bytes = await writePieces(file, pieces, redirection.appends);
    return silent({ file, bytes });
  }
  const env = await programEnvironment(session, signal);
  const options = { env, input: pieces, output: reporter.programOutput, signal };
  const result = await runProgram(redirection.program, options);
  const shown = (): string[] => outputOf(result);
  return { result, text: shown, table: shown, failure: programFailure(result) };
}

const isPaged = ({ settings }: Session, { pager }: Reporter): boolean =>
  pager !== undefined && settings.pager === 'on' && settings.format === 'text';

/** Shows text with the pager, if there is any. */
async function page(
  session: Session,
  answer: Answer,
  { pager = '', view }: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const pieces = answer.text(view);
  const first = await firstOf(pieces);
  if (first === undefined) return;
  const env = await programEnvironment(session, signal);
  await runProgram(pager, { env, input: first, output: 'shared', signal });
}

/** The same pieces, if there is one. */
async function firstOf(pieces: Pieces): Promise<Pieces | undefined> {
  const iterator = piecesOf(pieces);
  const first = await iterator.next();
  if (first.done === true) return undefined;
  return (async function* () {
    yield first.value;
    yield* iterator;
  })();
}

async function* piecesOf(pieces: Pieces): AsyncGenerator<string, void> {
  yield* pieces;
}

function fileOf({ file }: Extract<Redirection, { kind: 'file' }>): string {
  if (file.text !== '') return resolve(file.text);
  throw new HexzError('USAGE', 'a path must not be empty');
}

/** People see what became of it. */
const silent = (result: unknown): Answer => ({
  result,
  text: () => [],
  table: () => [],
  failure: undefined,
});

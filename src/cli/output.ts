import { HexzError } from '../engine/errors.js';
import { describeSystemError } from '../engine/systemErrors.js';
import { printable, toJsonText } from '../repl/rendering/values.js';

export { formatBytes, formatCount, printable, toJsonText } from '../repl/rendering/values.js';

/** What messages call it. */
export const STANDARD_OUTPUT = 'standard output';

/** One JSON document on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${toJsonText(value, 2)}\n`);
}

/** One of many JSON documents on standard output, in a line of its own. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${toJsonText(value)}\n`);
}

/** Aligned "label: value" lines under a heading. */
export function section(heading: string, rows: readonly (readonly [string, string])[]): string {
  const width = rows.reduce((longest, [label]) => Math.max(longest, label.length), 0) + 1;
  const lines = rows.map(([label, value]) => `  ${`${label}:`.padEnd(width)} ${printable(value)}`);
  return [heading, ...lines].join('\n');
}

/** How a command with --json prints: one document over several lines, or a document a line. */
export type JsonForm = 'document' | 'lines';

/** What is wrong, as one line on standard error; with --json also as a document on standard output. */
export function reportError(error: HexzError, json: JsonForm | undefined): void {
  process.stderr.write(`hexz: ${printable(error.toLine())}\n`);
  if (json === 'document') printJson({ error });
  else if (json === 'lines') process.stdout.write(`${toJsonText({ error })}\n`);
}

/** Ends the process when standard output can take no more. A closed pipe is no error; a full disk behind it is. */
export function watchOutput(): void {
  process.stdout.on('error', endOnOutputError);
  // Nobody is left to be told.
  process.stderr.on('error', () => {});
}

/** From here on the process has more to do than to print, and goes on when nobody reads it. */
export function goOnWithoutOutput(): void {
  process.stdout.removeListener('error', endOnOutputError);
  process.stdout.on('error', () => {});
}

/**
 * For a command that makes something: from here on it comes to its end, whoever reads what it prints. That somebody
 * did not get to read all of it, for another reason than that he stopped, shows in the exit status.
 */
export function finishWithoutOutput(): void {
  process.stdout.removeListener('error', endOnOutputError);
  let isReported = false;
  process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EPIPE' || isReported) return;
    isReported = true;
    process.exitCode = reportOutputError(cause);
  });
}

function endOnOutputError(cause: NodeJS.ErrnoException): void {
  if (cause.code === 'EPIPE') process.exit();
  process.exit(reportOutputError(cause));
}

/** Answers the exit status. */
function reportOutputError(cause: NodeJS.ErrnoException): number {
  const error = new HexzError('OUTPUT_FAILED', `cannot write it: ${describeSystemError(cause)}`, {
    location: { file: STANDARD_OUTPUT },
  });
  reportError(error, undefined);
  return error.exitStatus;
}

import { HexzError } from '../engine/errors.js';
import { describeSystemError } from '../engine/systemErrors.js';

/** What messages call it. */
export const STANDARD_OUTPUT = 'standard output';

/** Control characters, line separators, and what turns the writing direction. */
const UNSAFE = /\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The same, without those that JSON escapes itself or needs between its values. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Text from a file, safe for a terminal and in one line: control characters are shown, not sent. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(character);
  });
}

const unicodeEscape = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** 1536 as "1.50 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(2)} ${units[unit]}`;
}

/** 1234567 as "1 234 567". */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** A value as JSON that a terminal may be shown. */
export function toJsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(UNSAFE_IN_JSON, unicodeEscape);
}

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

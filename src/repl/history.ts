import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Lines that are kept between runs. */
export const MAX_LINES = 2000;
/** A file is cut when it is so much longer than what is kept, so that this is seldom. */
const SLACK = 2;
/** Nobody types more; a file that is larger is none of ours. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** What looks like a password is not kept; a blank in front of a line keeps it out, too. */
const SECRET = /^\s|pass(?:word|phrase|wd)?\s*[=:]/i;

/** `$XDG_STATE_HOME/hexz/history`, by default below `~/.local/state`. */
const historyPath = (): string =>
  join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'hexz', 'history');

/**
 * What was typed in this run and in those before. Runs at the same time append to one file, a line each; a file that
 * has become too long is cut when the next run begins. Nothing that goes wrong with it disturbs anybody.
 */
export class History {
  /** The oldest first. */
  readonly lines: readonly string[];
  readonly #path: string;
  #last: string | undefined;

  constructor(path: string = historyPath()) {
    this.#path = path;
    this.lines = load(path);
    this.#last = this.lines.at(-1);
  }

  /** Keeps a line, unless it is the one before once more, or none of other people's business. */
  add(line: string): void {
    if (line.trim() === '' || line === this.#last || line.includes('\n') || SECRET.test(line))
      return;
    this.#last = line;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      appendFileSync(this.#path, `${line}\n`, { mode: 0o600 });
    } catch {
      // It will not be there next time.
    }
  }
}

function load(path: string): readonly string[] {
  try {
    const { size, mode } = statSync(path);
    if (size > MAX_FILE_BYTES) return [];
    if ((mode & 0o077) !== 0) chmodSync(path, 0o600);
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    const kept = lines.slice(-MAX_LINES);
    if (lines.length > MAX_LINES * SLACK) replace(path, kept);
    return kept;
  } catch {
    return [];
  }
}

function replace(path: string, lines: readonly string[]): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  renameSync(temporary, path);
}

import { type ErrorLocation, HexzError } from '../../engine/errors.js';

/** A text of commands, and what people call it: a script's file, an option of the command line, or nothing. */
export class Source {
  readonly text: string;
  /** Undefined for what a person has just typed. */
  readonly name: string | undefined;
  readonly #firstLine: number;

  /** @param firstLine number of its first line, where it is a piece of something longer */
  constructor(text: string, name?: string, firstLine = 1) {
    this.text = text;
    this.name = name;
    this.#firstLine = firstLine;
  }

  /** Line and column of a character, both from 1; columns count characters, not their bytes. */
  locationOf(at: number): ErrorLocation {
    const before = this.text.slice(0, at);
    const lineStart = before.lastIndexOf('\n') + 1;
    return {
      file: this.name,
      line: this.#firstLine + before.split('\n').length - 1,
      column: [...before.slice(lineStart)].length + 1,
    };
  }

  /** What is wrong at a character of it. */
  errorAt(at: number, message: string, hint?: string): HexzError {
    return new HexzError('USAGE', message, { location: this.locationOf(at), hint });
  }

  /** The line that an error names, if it is one of this text. */
  lineOf({ line }: ErrorLocation): string | undefined {
    return line === undefined ? undefined : this.text.split('\n')[line - this.#firstLine];
  }
}

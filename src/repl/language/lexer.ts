import type { Source } from './source.js';

/*
 * Words, as POSIX shells cut them (Shell Command Language, 2.2 and 2.3), with fewer operators: `;` and line feeds
 * end a command, `| PROGRAM` and `> FILE` say where its output goes, `#` begins a comment. Nothing is expanded.
 */

/** A word, without its quotes. */
export interface Word {
  readonly text: string;
  /** Where it lies in the source, quotes included; `end` is behind it. */
  readonly start: number;
  readonly end: number;
  /** Where each UTF-16 unit of `text` lies in the source. */
  readonly places: readonly number[];
  readonly isQuoted: boolean;
}

/** Where the output of a command goes. */
export type Redirection =
  | { readonly kind: 'program'; readonly program: string; readonly start: number }
  | {
      readonly kind: 'file';
      readonly file: Word;
      readonly appends: boolean;
      readonly start: number;
    };

/** One command. */
export interface Statement {
  readonly name: Word;
  readonly words: readonly Word[];
  /** The rest of the line as it stands there, of commands that take it so. */
  readonly rest: { readonly text: string; readonly start: number } | undefined;
  readonly redirection: Redirection | undefined;
  readonly start: number;
  /** As it was written, without what is around it. */
  readonly text: string;
}

/** Commands that are read in ways of their own. */
export interface LexicalRules {
  /** They take the rest of their line as it is. */
  readonly verbatim: ReadonlySet<string>;
  /** In them, `<` and `>` compare. */
  readonly comparing: ReadonlySet<string>;
}

/** What stands at the end of a text that is not complete. */
type OpenPart = "'" | '"' | '\\';

interface Scan {
  readonly statements: readonly Statement[];
  /** What keeps the text from being complete, and where it begins. */
  readonly open: { readonly part: OpenPart; readonly start: number } | undefined;
  /** Where it is wrong. */
  readonly problem: { readonly at: number; readonly message: string } | undefined;
}

const BLANK = /[ \t\r]/;
const WORD_END = /[ \t\r\n;|<>]/;
const ESCAPED_IN_QUOTES = /["\\$`]/;
/** Words that mean what they say without quotes. */
const PLAIN = /^[\w@%+=:,./?[\]()*{}^$!~-]+$/;

/**
 * The commands of a text.
 *
 * @throws HexzError USAGE
 */
export function lex(source: Source, rules: LexicalRules): readonly Statement[] {
  const { statements, open, problem } = scan(source.text, rules);
  if (problem !== undefined) throw source.errorAt(problem.at, problem.message);
  if (open !== undefined) {
    const what =
      open.part === '\\' ? 'a line must follow a \\ at its end' : `${open.part} is not closed`;
    throw source.errorAt(open.start, what);
  }
  return statements;
}

/** A word that is read as this text. */
export function quote(text: string): string {
  if (PLAIN.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Reads a text as far as it makes sense; `lex` for those who only want the whole. */
export function scan(text: string, rules: LexicalRules): Scan {
  return new Scanner(text, rules).scan();
}

/**
 * State: `#at` is the next character. `#words` are those of the statement that is being read, which begins with the
 * first of them. The first problem ends the reading.
 */
class Scanner {
  readonly #text: string;
  readonly #rules: LexicalRules;
  readonly #statements: Statement[] = [];
  #at = 0;
  #words: Word[] = [];
  #open: Scan['open'];
  #problem: Scan['problem'];

  constructor(text: string, rules: LexicalRules) {
    this.#text = text;
    this.#rules = rules;
  }

  scan(): Scan {
    while (this.#at < this.#text.length && this.#problem === undefined) this.#next();
    this.#end(undefined, this.#at);
    return { statements: this.#statements, open: this.#open, problem: this.#problem };
  }

  #next(): void {
    const character = this.#text[this.#at] ?? '';
    if (BLANK.test(character)) {
      this.#at++;
    } else if (character === '\n' || character === ';') {
      this.#end(undefined, this.#at);
      this.#at++;
    } else if (character === '#') {
      this.#at = this.#lineEnd();
    } else if (character === '|') {
      this.#program();
    } else if ((character === '>' || character === '<') && !this.#compares()) {
      this.#file(character);
    } else {
      this.#command();
    }
  }

  #command(): void {
    const word = this.#word();
    if (word === undefined) return;
    this.#words.push(word);
    if (this.#words.length > 1 || !this.#rules.verbatim.has(word.text)) return;
    const lineEnd = this.#lineEnd();
    const line = this.#text.slice(this.#at, lineEnd);
    const start = this.#at + line.length - line.trimStart().length;
    const rest = { text: line.trim(), start };
    this.#at = lineEnd;
    this.#end(undefined, start + rest.text.length, rest);
  }

  #program(): void {
    const start = this.#at;
    const lineEnd = this.#lineEnd();
    const program = this.#text.slice(start + 1, lineEnd).trim();
    if (this.#words.length === 0) this.#fail(start, 'a command is missing before |');
    else if (program === '') this.#fail(start, 'a program is missing behind |');
    this.#at = lineEnd;
    this.#end({ kind: 'program', program, start }, lineEnd);
  }

  #file(character: string): void {
    const start = this.#at;
    if (character === '<') {
      this.#fail(start, '< has no meaning here; quote it if it belongs to an argument');
      return;
    }
    if (this.#words.length === 0) {
      this.#fail(start, 'a command is missing before >');
      return;
    }
    const appends = this.#text[start + 1] === '>';
    this.#at += appends ? 2 : 1;
    this.#skipBlanks();
    const file = this.#at < this.#text.length ? this.#word() : undefined;
    if (file === undefined) {
      this.#fail(start, `a file is missing behind ${appends ? '>>' : '>'}`);
      return;
    }
    this.#skipBlanks();
    const next = this.#text[this.#at];
    if (next !== undefined && !/[;\n#]/.test(next)) {
      this.#fail(this.#at, 'the command ends behind its file');
      return;
    }
    this.#end({ kind: 'file', file, appends, start }, file.end);
  }

  /** The word that begins here; undefined where none does. */
  #word(): Word | undefined {
    const start = this.#at;
    const places: number[] = [];
    let text = '';
    let isQuoted = false;
    const take = (): void => {
      places.push(this.#at);
      text += this.#text[this.#at++];
    };
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined || this.#endsWord(character)) break;
      const opened = this.#at;
      if (character === "'" || character === '"') {
        isQuoted = true;
        this.#at++;
        if (!this.#quoted(character, take)) this.#open = { part: character, start: opened };
      } else if (character === '\\') {
        this.#at++;
        const next = this.#text[this.#at];
        // Lines are joined; at the end of the text there is none yet.
        if (next === '\n') this.#at++;
        else if (next === undefined) this.#open = { part: '\\', start: opened };
        else {
          isQuoted = true;
          take();
        }
      } else {
        take();
      }
    }
    if (text === '' && !isQuoted) return undefined;
    return { text, start, end: this.#at, places, isQuoted };
  }

  /** Takes what is between quotes; answers whether they are closed. */
  #quoted(quoteMark: string, take: () => void): boolean {
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) return false;
      if (character === quoteMark) {
        this.#at++;
        return true;
      }
      if (character === '\\' && quoteMark === '"') {
        const next = this.#text[this.#at + 1] ?? '';
        if (next === '\n') {
          this.#at += 2;
          continue;
        }
        if (ESCAPED_IN_QUOTES.test(next)) this.#at++;
      }
      take();
    }
  }

  #endsWord(character: string): boolean {
    if ((character === '<' || character === '>') && this.#compares()) return false;
    return WORD_END.test(character);
  }

  #compares(): boolean {
    const [name] = this.#words;
    return name !== undefined && this.#rules.comparing.has(name.text);
  }

  #skipBlanks(): void {
    while (BLANK.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#at);
    return end === -1 ? this.#text.length : end;
  }

  #fail(at: number, message: string): void {
    this.#problem ??= { at, message };
  }

  #end(redirection: Redirection | undefined, end: number, rest?: Statement['rest']): void {
    const [name, ...words] = this.#words;
    this.#words = [];
    if (name === undefined) return;
    const text = this.#text.slice(name.start, end).trim();
    this.#statements.push({ name, words, rest, redirection, start: name.start, text });
  }
}

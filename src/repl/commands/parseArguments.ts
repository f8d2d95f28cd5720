import type { Statement, Word } from '../language/lexer.js';
import type { Source } from '../language/source.js';
import {
  type Argument,
  type CommandDefinition,
  type Kind,
  type Option,
  optionFlag,
  type ParsedValues,
  type ParseScope,
  type SessionState,
} from './definition.js';

/** Which words of a statement stand for what; those that are missing are left out. */
interface Assignment {
  readonly arguments: ReadonlyMap<string, readonly Word[]>;
  readonly options: ReadonlyMap<string, Word | undefined>;
}

/**
 * The values of a command's arguments and options, in the order in which the command has them: so what a stream is
 * known when an offset in it is read.
 *
 * @throws HexzError USAGE that names the place
 */
export async function parseArguments(
  definition: CommandDefinition,
  statement: Statement,
  source: Source,
  session: SessionState,
): Promise<ParsedValues> {
  const assignment = assign(definition, statement, source);
  const values: Record<string, unknown> = {};
  let scope: ParseScope = {
    session,
    source,
    stream: 'disk',
    isRaw: assignment.options.has('raw'),
    isBase: assignment.options.has('base'),
  };
  for (const [name, { kind, presence }] of Object.entries(definition.arguments)) {
    if (presence === 'verbatim') {
      values[name] = statement.rest?.text ?? '';
      continue;
    }
    const words = assignment.arguments.get(name) ?? [];
    const parsed: unknown[] = [];
    for (const word of words) parsed.push(await kind.parse(word, scope));
    values[name] = presence === 'rest' || presence === 'some' ? parsed : parsed[0];
    if (name === 'stream' && (parsed[0] === 'disk' || parsed[0] === 'memory')) {
      scope = { ...scope, stream: parsed[0] };
    }
  }
  for (const [name, { kind }] of Object.entries(definition.options)) {
    const word = assignment.options.get(name);
    if (kind === undefined) values[name] = assignment.options.has(name);
    else values[name] = word === undefined ? undefined : await kind.parse(word, scope);
  }
  return values;
}

/**
 * Checks which words a statement has, without looking at what they mean.
 *
 * @throws HexzError USAGE
 */
export function assign(
  definition: CommandDefinition,
  statement: Statement,
  source: Source,
): Assignment {
  const words: Word[] = [];
  const options = new Map<string, Word | undefined>();
  const reader = new OptionReader(definition, source);
  const pending = [...statement.words];
  let takesOptions = true;
  for (let word = pending.shift(); word !== undefined; word = pending.shift()) {
    if (!takesOptions || word.isQuoted || !word.text.startsWith('--')) {
      words.push(word);
    } else if (word.text === '--') {
      takesOptions = false;
    } else {
      const { name, value, kind } = reader.read(word);
      const given = kind === undefined || value !== undefined ? value : pending.shift();
      if (kind !== undefined && given === undefined) {
        throw source.errorAt(word.end, `${kind.label} is missing behind ${optionFlag(name)}`);
      }
      options.set(name, given);
    }
  }
  return { arguments: assignWords(definition, statement, words, source), options };
}

function assignWords(
  definition: CommandDefinition,
  statement: Statement,
  words: readonly Word[],
  source: Source,
): Map<string, readonly Word[]> {
  const assigned = new Map<string, readonly Word[]>();
  let taken = 0;
  for (const [name, { presence, kind }] of Object.entries(definition.arguments)) {
    if (presence === 'rest' || (presence === 'some' && words.length > taken)) {
      assigned.set(name, words.slice(taken));
      taken = words.length;
      continue;
    }
    const word = words[taken];
    if (word !== undefined) {
      assigned.set(name, [word]);
      taken++;
    } else if (
      presence === 'required' ||
      presence === 'some' ||
      (presence === 'verbatim' && !statement.rest?.text)
    ) {
      const end = (statement.words.at(-1) ?? statement.name).end;
      throw source.errorAt(end, `${kind.label} is missing`, usageOf(definition));
    }
  }
  const extra = words[taken];
  if (extra !== undefined) {
    throw source.errorAt(
      extra.start,
      `${extra.text} is one argument too many`,
      usageOf(definition),
    );
  }
  return assigned;
}

class OptionReader {
  readonly #definition: CommandDefinition;
  readonly #source: Source;

  constructor(definition: CommandDefinition, source: Source) {
    this.#definition = definition;
    this.#source = source;
  }

  /** The option that a word names; with `=`, the word behind it. */
  read(word: Word): { name: string; kind: Kind<unknown> | undefined; value: Word | undefined } {
    const { text } = word;
    const equals = text.indexOf('=');
    const written = equals === -1 ? text : text.slice(0, equals);
    const found = Object.entries(this.#definition.options).find(
      ([name]) => optionFlag(name) === written,
    );
    if (found === undefined) {
      throw this.#source.errorAt(
        word.start,
        `${this.#definition.name} has no option ${written}`,
        usageOf(this.#definition),
      );
    }
    const [name, { kind }] = found;
    if (equals === -1) return { name, kind, value: undefined };
    if (kind === undefined) {
      throw this.#source.errorAt(word.places[equals] ?? word.start, `${written} takes no value`);
    }
    const places = word.places.slice(equals + 1);
    const value = { ...word, text: text.slice(equals + 1), start: places[0] ?? word.end, places };
    return { name, kind, value };
  }
}

/** `read STREAM [OFFSET] [LENGTH] [--base] [--raw]` */
export function usageOf(definition: CommandDefinition): string {
  return [definition.name, ...argumentTexts(definition), ...optionTexts(definition)].join(' ');
}

const argumentTexts = ({ arguments: all }: CommandDefinition): string[] =>
  Object.values(all).map(({ kind: { label }, presence }: Argument<unknown>) => {
    if (presence === 'optional') return `[${label}]`;
    if (presence === 'rest') return `[${label}]...`;
    return presence === 'some' ? `${label}...` : label;
  });

const optionTexts = ({ options }: CommandDefinition): string[] =>
  Object.entries(options).map(([name, { kind }]: [string, Option<unknown>]) =>
    kind === undefined ? `[${optionFlag(name)}]` : `[${optionFlag(name)} ${kind.label}]`,
  );

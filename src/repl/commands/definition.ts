import type { HexzError } from '../../engine/errors.js';
import type { EngineClient } from '../client.js';
import type { Word } from '../language/lexer.js';
import type { Source } from '../language/source.js';
import type { Pieces, Rendering, View } from '../rendering/rendering.js';
import type { Settings } from '../settings.js';

export type StreamName = 'disk' | 'memory';
export type Addressing = 'guest' | 'raw';

/** What commands share with each other while a session lasts. */
export interface SessionState {
  readonly client: EngineClient;
  readonly settings: Settings;
  /** Offsets with names. */
  readonly bookmarks: Map<string, number>;
  /** For each stream, where the last command that looked there ended. */
  readonly cursors: Map<StreamName, number>;
  /** For each stream, the last places that were found there, a few. */
  readonly hits: Map<StreamName, readonly number[]>;
  readonly commands: readonly CommandDefinition[];
  /** Whether the engine is there for this session. */
  readonly ownsEngine: boolean;
  /** No command is read any more. */
  quit(): void;
  /** The engine is going to end because of a command. */
  expectEnd(): void;
}

/** What a command is run with. */
export interface RunContext {
  readonly session: SessionState;
  /** That what was written cannot be done, for no reason that a single word has. */
  readonly usageError: (message: string, hint?: string) => HexzError;
  readonly signal: AbortSignal;
  /** Whether programs write to our own outputs, or into the result. */
  readonly programOutput: 'shared' | 'captured';
  readonly onProgress: (progress: { doneBytes: number; totalBytes?: number | undefined }) => void;
}

/** What an argument is parsed with. */
export interface ParseScope {
  readonly session: SessionState;
  readonly source: Source;
  /** The stream that was named before it. */
  readonly stream: StreamName;
  readonly isRaw: boolean;
  readonly isBase: boolean;
}

/** What a word can stand for, for completion. */
type Completes =
  | 'stream'
  | 'offset'
  | 'pages'
  | 'file'
  | 'directory'
  | 'bookmark'
  | 'setting'
  | 'settingValue'
  | 'command'
  | readonly string[];

/** A kind of values that words can be. */
export interface Kind<Value> {
  /** As it stands in a usage line, such as OFFSET. */
  readonly label: string;
  readonly completes?: Completes;
  /** Words that it can be besides. */
  readonly words?: readonly string[];
  /** @throws HexzError USAGE that names the place */
  parse(word: Word, scope: ParseScope): Value | Promise<Value>;
}

/** Holds the type of the values that an argument or option has; never there. */
declare const valueType: unique symbol;

export interface Argument<Value> {
  readonly kind: Kind<unknown>;
  /** `rest` takes all further words, `some` too and wants one at least, `verbatim` the rest of the line as it is. */
  readonly presence: 'required' | 'optional' | 'rest' | 'some' | 'verbatim';
  readonly about: string;
  readonly [valueType]?: Value;
}

export interface Option<Value> {
  /** Undefined for one that is given or not. */
  readonly kind: Kind<unknown> | undefined;
  readonly about: string;
  readonly [valueType]?: Value;
}

export const required = <Value>(kind: Kind<Value>, about: string): Argument<Value> => ({
  kind,
  presence: 'required',
  about,
});

export const optional = <Value>(kind: Kind<Value>, about: string): Argument<Value | undefined> => ({
  kind,
  presence: 'optional',
  about,
});

/** All further words. */
export const rest = <Value>(kind: Kind<Value>, about: string): Argument<readonly Value[]> => ({
  kind,
  presence: 'rest',
  about,
});

/** All further words, and one at least. */
export const some = <Value>(kind: Kind<Value>, about: string): Argument<readonly Value[]> => ({
  kind,
  presence: 'some',
  about,
});

/** The rest of the line as it stands there; the only argument of its command. */
export const verbatim = (kind: Kind<string>, about: string): Argument<string> => ({
  kind,
  presence: 'verbatim',
  about,
});

export const flag = (about: string): Option<boolean> => ({ kind: undefined, about });

export const option = <Value>(kind: Kind<Value>, about: string): Option<Value | undefined> => ({
  kind,
  about,
});

type ArgumentShape = Readonly<Record<string, Argument<unknown>>>;
type OptionShape = Readonly<Record<string, Option<unknown>>>;

type ValuesOf<Arguments, Options> = {
  readonly [Name in keyof Arguments]: Arguments[Name] extends Argument<infer Value> ? Value : never;
} & {
  readonly [Name in keyof Options]: Options[Name] extends Option<infer Value> ? Value : never;
};

/** A command as its file says it. */
interface CommandShape<Arguments, Options, Result> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly group: CommandGroup;
  /** One sentence, without a full stop. */
  readonly summary: string;
  /** What else people should know; paragraphs. */
  readonly details?: readonly string[];
  readonly examples?: readonly string[];
  /** Whether `<` and `>` compare in its line. */
  readonly isComparing?: boolean;
  readonly arguments: Arguments;
  readonly options: Options;
  run(context: RunContext, values: ValuesOf<Arguments, Options>): Promise<Result>;
  /** Why its result stops a script, if it does. */
  failure?(result: Result): HexzError | undefined;
}

export const commandGroups = [
  'Look',
  'Search',
  'Changes',
  'Review',
  'Activity',
  'Mount and programs',
  'The session',
] as const;
type CommandGroup = (typeof commandGroups)[number];

/** What a command has answered, and how to show it. */
export interface Answer {
  /** JSON values, or a Listing. */
  readonly result: unknown;
  text(view: View): Pieces;
  table(view: View): Pieces;
  /** Why it stops a script, if it does. */
  readonly failure: HexzError | undefined;
}

/** A command, for those who do not care which. */
export interface CommandDefinition {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly group: CommandGroup;
  readonly summary: string;
  readonly details: readonly string[];
  readonly examples: readonly string[];
  readonly isComparing: boolean;
  readonly arguments: ArgumentShape;
  readonly options: OptionShape;
  run(context: RunContext, values: ParsedValues): Promise<Answer>;
}

/** By names of arguments and options, as their kinds have parsed them. */
export type ParsedValues = Readonly<Record<string, unknown>>;

/**
 * A command, once it is said how its results are shown. Its values are what its kinds parse, so its `run` can rely
 * on their types.
 */
export const defineCommand = <
  const Arguments extends ArgumentShape,
  const Options extends OptionShape,
  Result,
>(
  shape: CommandShape<Arguments, Options, Result>,
): { shownAs(rendering: Rendering<Result>): CommandDefinition } => ({
  shownAs: (rendering) => ({
    aliases: [],
    details: [],
    examples: [],
    isComparing: false,
    ...shape,
    async run(context, values) {
      const result = await shape.run(context, values as ValuesOf<Arguments, Options>);
      return {
        result,
        text: (view) => rendering.text(result, view),
        table: (view) => rendering.table(result, view),
        failure: shape.failure?.(result),
      };
    },
  }),
});

/** `dryRun` is written `--dry-run`. */
export const optionFlag = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

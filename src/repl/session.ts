import { HexzError } from '../engine/errors.js';
import type { EngineClient } from './client.js';
import { commands, lexicalRules, resolve } from './commands/all.js';
import type {
  Answer,
  CommandDefinition,
  RunContext,
  SessionState,
  StreamName,
} from './commands/definition.js';
import { assign, parseArguments } from './commands/parseArguments.js';
import { lex, type Statement } from './language/lexer.js';
import type { Source } from './language/source.js';
import { defaultSettings, type Settings } from './settings.js';

/** How a command is run. */
export type RunOptions = Pick<RunContext, 'signal' | 'programOutput'> &
  Partial<Pick<RunContext, 'onProgress'>>;

export interface SessionOptions {
  /** Whether the engine is there for this session; else it is that of others, whose mount is not to be taken lightly. */
  readonly ownsEngine?: boolean;
}

/**
 * What commands leave to those that come after them: settings, bookmarks, cursors, what was found, and whether they are to go on.
 * It shows nothing itself.
 *
 *   state   begins with    commands
 *   open    the start      run, one after another
 *   over    `quit`         are not to be run any more, which is left to the caller, until `goOn`
 *
 * When the engine ends, the command that runs is cancelled and throws ENGINE_GONE, as those that ask the engine do from then on.
 *
 * An answer may hold items that were not asked for yet; the next command shall run when they were taken, because
 * they move the cursor.
 */
export class Session implements SessionState {
  readonly client: EngineClient;
  readonly settings: Settings = defaultSettings();
  readonly bookmarks = new Map<string, number>();
  readonly cursors = new Map<StreamName, number>();
  readonly hits = new Map<StreamName, readonly number[]>();
  readonly commands: readonly CommandDefinition[] = commands;
  readonly ownsEngine: boolean;
  readonly #gone = new AbortController();
  #isOver = false;
  #endsEngine = false;

  constructor(client: EngineClient, { ownsEngine = true }: SessionOptions = {}) {
    this.client = client;
    this.ownsEngine = ownsEngine;
    void client.closed.then(() => this.#gone.abort());
  }

  /** Whether the engine has ended, and not because of a command. */
  get hasLostEngine(): boolean {
    return this.#gone.signal.aborted && !this.#endsEngine;
  }

  /** It is going to end because of a command. */
  expectEnd(): void {
    this.#endsEngine = true;
  }

  /** That it has ended. */
  engineGone(): HexzError {
    const engine = `the engine, process ${this.client.pid}, has ended`;
    if (this.#endsEngine) return new HexzError('ENGINE_GONE', `${engine} with its mount`);
    const hint = 'hexz status lists a dead mount that it may have left, hexz unmount removes it';
    return new HexzError('ENGINE_GONE', `${engine} before the session`, {
      // Of an engine of its own, whoever has begun the session takes away what it leaves.
      hint: this.ownsEngine ? undefined : hint,
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  quit(): void {
    this.#isOver = true;
  }

  /** Whoever wanted to quit has thought better of it. */
  goOn(): void {
    this.#isOver = false;
  }

  /**
   * The statements of a text, if all of them can be understood: names, options and how many arguments there are.
   *
   * @throws HexzError USAGE
   */
  parse(source: Source): readonly Statement[] {
    const statements = lex(source, lexicalRules);
    for (const statement of statements) {
      const known = resolve(statement, source);
      assign(known.definition, known.statement, source);
    }
    return statements;
  }

  /**
   * Runs a command.
   *
   * @throws HexzError
   */
  async run(statement: Statement, source: Source, options: RunOptions): Promise<Answer> {
    const known = resolve(statement, source);
    const values = await parseArguments(known.definition, known.statement, source, this);
    const context: RunContext = {
      onProgress: () => {},
      ...options,
      signal: AbortSignal.any([options.signal, this.#gone.signal]),
      session: this,
      usageError: (message, hint) => source.errorAt(statement.start, message, hint),
    };
    try {
      return await known.definition.run(context, values);
    } catch (error) {
      const code = error instanceof HexzError ? error.code : undefined;
      const isCutOff = code === 'CANCELLED' && this.hasLostEngine && !options.signal.aborted;
      throw isCutOff || code === 'ENGINE_GONE' ? this.engineGone() : error;
    }
  }
}

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

/**
 * What commands leave to those that come after them: settings, bookmarks, cursors, and whether they are to go on.
 * It shows nothing itself.
 *
 *   state   begins with    commands
 *   open    the start      run, one after another
 *   over    `quit`         are not to be run any more, which is left to the caller, until `goOn`
 *
 * An answer may hold items that were not asked for yet; the next command shall run when they were taken, because
 * they move the cursor.
 */
export class Session implements SessionState {
  readonly client: EngineClient;
  readonly settings: Settings = defaultSettings();
  readonly bookmarks = new Map<string, number>();
  readonly cursors = new Map<StreamName, number>();
  readonly commands: readonly CommandDefinition[] = commands;
  #isOver = false;

  constructor(client: EngineClient) {
    this.client = client;
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
      session: this,
      usageError: (message, hint) => source.errorAt(statement.start, message, hint),
    };
    return known.definition.run(context, values);
  }
}

import { Source } from '../../../src/repl/language/source.js';
import { JsonReporter, TextReporter } from '../../../src/repl/report.js';
import { runText } from '../../../src/repl/script.js';
import { Session } from '../../../src/repl/session.js';
import { type FakeMethods, fakeEngine, readingMethods } from './fakeEngine.js';

export class Collected {
  text = '';
  write(text: string): undefined {
    this.text += text;
  }
}

export interface ReplRun {
  readonly output: string;
  readonly errors: string;
  readonly code: string | undefined;
  readonly session: Session;
}

interface ReplOptions {
  readonly methods?: FakeMethods;
  readonly json?: boolean;
  readonly isColoured?: boolean;
  readonly isTyped?: boolean;
  /** Width of the terminal. */
  readonly columns?: number;
  readonly session?: Session;
  readonly signal?: AbortSignal;
}

export const newSession = (methods: FakeMethods = {}): Session =>
  new Session(fakeEngine({ ...readingMethods(), ...methods }));

/** Runs a text in a session over a fake engine, and collects what is shown. */
export async function runRepl(text: string, options: ReplOptions = {}): Promise<ReplRun> {
  const { methods = {}, json = false, isColoured = false, isTyped = false } = options;
  const session = options.session ?? newSession(methods);
  const output = new Collected();
  const errors = new Collected();
  const reporter = json
    ? new JsonReporter(output)
    : new TextReporter({ output, errors }, { isColoured, columns: options.columns }, { isTyped });
  const source = new Source(text, isTyped ? undefined : 'test');
  const { signal = new AbortController().signal } = options;
  const error = await runText(session, source, reporter, signal);
  return { output: output.text, errors: errors.text, code: error?.code, session };
}

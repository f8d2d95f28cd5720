import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { HexzError } from '../engine/errors.js';
import { describeSystemError } from '../engine/systemErrors.js';
import { History } from '../repl/history.js';
import { Interactive } from '../repl/interactive.js';
import { Source } from '../repl/language/source.js';
import { streamOutput } from '../repl/output.js';
import { letProgramsGo } from '../repl/programWatch.js';
import { hasColours } from '../repl/rendering/hexView.js';
import { JsonReporter, type Reporter, TextReporter } from '../repl/report.js';
import { OUTPUT_UNWANTED, runLines, runText } from '../repl/script.js';
import { Session } from '../repl/session.js';
import type { InspectedEngine } from './inspectedEngine.js';
import { type InspectCommandOptions, isStandardInput, whyUnmounted } from './inspectOptions.js';
import { printable } from './output.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** As of a program that SIGPIPE ends: nobody read the output any more, and commands were left that did not run. */
const UNREAD_STATUS = 128 + constants.signals.SIGPIPE;

/** A person at a terminal, line by line. */
export async function talk(engine: InspectedEngine): Promise<number> {
  const { client, isOurs, mountProblem } = engine;
  const interactive = new Interactive({
    session: new Session(client, { ownsEngine: isOurs }),
    input: process.stdin,
    output: process.stdout,
    history: new History(),
    isColoured: hasColours(),
    endsEngine: isOurs,
  });
  const { snapshot, mount } = await client.request('state', {});
  const place = mount === null ? 'not mounted' : `mounted at ${mount.mountpoint}`;
  process.stdout.write(`${printable(`${snapshot.path}, ${place}`)}; help lists the commands\n`);
  if (mountProblem !== undefined)
    process.stdout.write(`${printable(whyUnmounted(mountProblem))}\n`);
  const sendAway = (): void => interactive.sendAway();
  for (const signal of ['SIGHUP', 'SIGTERM'] as const) process.once(signal, sendAway);
  ({ keepsOverlay: engine.keepsOverlay } = await interactive.run());
  return 0;
}

/** Commands that are known before the first of them runs, or lines that come meanwhile. */
type ScriptText = Source | 'standard input';

/** Without -c and --script, all commands are on standard input. @throws HexzError UNREADABLE */
export function textsOf({ sources }: InspectCommandOptions): readonly ScriptText[] {
  if (sources.length === 0) return ['standard input'];
  return sources.map((source) => {
    if (isStandardInput(source)) return 'standard input';
    if (source.kind === 'commands') return new Source(source.text, '-c');
    return new Source(readScript(source.path), source.path);
  });
}

/** Runs commands until one fails. */
export async function runScript(
  engine: InspectedEngine,
  texts: readonly ScriptText[],
  options: InspectCommandOptions,
): Promise<number> {
  const stop = new Stop();
  const reporter = reporterFor(options);
  const session = new Session(engine.client, { ownsEngine: engine.isOurs });
  try {
    const error = await runTexts(session, texts, reporter, stop.signal);
    if (stop.failure !== undefined) throw stop.failure;
    if (stop.received === undefined) letProgramsGo();
    else engine.waitsForUsers = false;
    if (error === OUTPUT_UNWANTED) return UNREAD_STATUS;
    if (stop.received !== undefined) return 0;
    if (error !== undefined) return error.exitStatus;
    // The last command need not have met that; of an engine of ours, its end tells.
    if (session.hasLostEngine && !engine.isOurs) throw session.engineGone();
    return 0;
  } finally {
    stop.end();
  }
}

async function runTexts(
  session: Session,
  texts: readonly ScriptText[],
  reporter: Reporter,
  signal: AbortSignal,
): Promise<HexzError | undefined> {
  for (const text of texts) {
    const error =
      text instanceof Source
        ? await runText(session, text, reporter, signal)
        : await runInput(session, reporter, signal);
    if (error !== undefined || session.isOver) return error;
  }
  return undefined;
}

async function runInput(
  session: Session,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<HexzError | undefined> {
  if (process.stdin.readableEnded) return undefined;
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  signal.addEventListener('abort', () => lines.close(), { once: true });
  try {
    const error = await runLines(session, lines, 'standard input', reporter, signal);
    const isCut = signal.reason === OUTPUT_UNWANTED && !process.stdin.readableEnded;
    return error ?? (isCut && !session.isOver ? OUTPUT_UNWANTED : undefined);
  } finally {
    lines.close();
    process.stdin.destroy();
  }
}

const reporterFor = ({ json }: InspectCommandOptions): Reporter => {
  const output = streamOutput(process.stdout);
  if (json === true) return new JsonReporter(output);
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
  return new TextReporter(
    { output, errors: streamOutput(process.stderr) },
    { isColoured: hasColours(), columns },
    { isTyped: false },
  );
};

function readScript(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new HexzError('UNREADABLE', `cannot read the script: ${describeSystemError(cause)}`, {
      location: { file: path },
      cause,
    });
  }
}

/**
 * What stops a script before its end: an output that takes no more, or a signal. The end by SIGINT or SIGTERM is a clean one;
 * SIGHUP then ends this process as it would any other.
 */
class Stop {
  readonly #controller = new AbortController();
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.received = signal;
    this.#controller.abort();
  };
  readonly #onOutputError = (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE') this.failure = outputFailed(cause);
    this.#controller.abort(OUTPUT_UNWANTED);
  };
  received: NodeJS.Signals | undefined;
  failure: HexzError | undefined;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    process.stdout.on('error', this.#onOutputError);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#onSignal);
    process.stdout.removeListener('error', this.#onOutputError);
    // Behind the cleaning up.
    if (this.received === 'SIGHUP') process.once('exit', () => process.kill(process.pid, 'SIGHUP'));
  }
}

const outputFailed = (cause: NodeJS.ErrnoException): HexzError =>
  new HexzError('OUTPUT_FAILED', `cannot write it: ${describeSystemError(cause)}`, {
    location: { file: 'standard output' },
    cause,
  });

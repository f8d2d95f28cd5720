import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { asHexzError, HexzError } from '../engine/errors.js';
import { describeSystemError } from '../engine/systemErrors.js';
import { History } from '../repl/history.js';
import { Interactive } from '../repl/interactive.js';
import { Source } from '../repl/language/source.js';
import { streamOutput } from '../repl/output.js';
import { letProgramsGo } from '../repl/programWatch.js';
import { hasColours } from '../repl/rendering/hexView.js';
import { JsonReporter, type Reporter, TextReporter } from '../repl/report.js';
import { runLines, runText } from '../repl/script.js';
import { Session } from '../repl/session.js';
import { type EngineOptions, InspectedEngine } from './inspectedEngine.js';
import { goOnWithoutOutput, printable, reportError } from './output.js';

export interface InspectCommandOptions extends EngineOptions {
  readonly attach?: string;
  readonly command?: readonly string[];
  readonly script?: string;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * `hexz inspect SNAP [MOUNTPOINT] [...]` and `hexz inspect --attach MOUNTPOINT`; answers with the exit status.
 */
export async function inspect(
  path: string | undefined,
  mountpoint: string | undefined,
  options: InspectCommandOptions,
): Promise<number> {
  check(path, mountpoint, options);
  // A reader who has enough ends the script; what was begun has to be cleaned up first.
  goOnWithoutOutput();
  const isTyped = isInteractive(options);
  const engine =
    path === undefined
      ? await InspectedEngine.attach(options.attach ?? '', isTyped)
      : await InspectedEngine.start(path, mountpoint, options, isTyped ? 'terminal' : 'bound');
  let status = 0;
  let failure: HexzError | undefined;
  try {
    status = isTyped ? await talk(engine) : await runScript(engine, options);
  } catch (error) {
    failure = asHexzError(error);
  }
  try {
    const engineStatus = await engine.end();
    if (status === 0) status = engineStatus;
  } catch (error) {
    // What went wrong first decides the status.
    if (status !== 0 || failure !== undefined) reportError(asHexzError(error), undefined);
    else throw error;
  }
  if (failure !== undefined) throw failure;
  return status;
}

function check(
  path: string | undefined,
  mountpoint: string | undefined,
  options: InspectCommandOptions,
): void {
  const { attach, command, script, mount } = options;
  if ((path === undefined) === (attach === undefined)) {
    throw new HexzError('USAGE', 'name either a snapshot, or with --attach a mount', {
      hint: 'hexz inspect SNAPSHOT [MOUNTPOINT], or hexz inspect --attach MOUNTPOINT',
    });
  }
  if (command !== undefined && script !== undefined) {
    throw new HexzError('USAGE', '-c and --script exclude each other');
  }
  if (mountpoint !== undefined && !mount) {
    throw new HexzError('USAGE', 'a mountpoint and --no-mount contradict each other');
  }
  const startOption = (['rw', 'overlay', 'force', 'allowOther'] as const).find(
    (name) => options[name],
  );
  if (attach !== undefined && (startOption !== undefined || !mount)) {
    throw new HexzError(
      'USAGE',
      '--attach takes an engine as it is, without options for starting one',
    );
  }
}

const isInteractive = ({ command, script, json }: InspectCommandOptions): boolean =>
  command === undefined &&
  script === undefined &&
  json !== true &&
  process.stdin.isTTY === true &&
  process.stdout.isTTY === true;

/** A person at a terminal. */
async function talk(engine: InspectedEngine): Promise<number> {
  const { client, isOurs } = engine;
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
  const sendAway = (): void => interactive.sendAway();
  for (const signal of ['SIGHUP', 'SIGTERM'] as const) process.once(signal, sendAway);
  ({ keepsOverlay: engine.keepsOverlay } = await interactive.run());
  return 0;
}

/** Commands of the command line, of a file, or of standard input, until one fails. */
async function runScript(engine: InspectedEngine, options: InspectCommandOptions): Promise<number> {
  const stop = new Stop();
  const reporter = reporterFor(options);
  const session = new Session(engine.client, { ownsEngine: engine.isOurs });
  try {
    const error = await runSources(session, reporter, stop.signal, options);
    if (stop.failure !== undefined) throw stop.failure;
    if (stop.received === undefined) letProgramsGo();
    else engine.waitsForUsers = false;
    if (stop.isWanted) return 0;
    if (error !== undefined) return error.exitStatus;
    // The last command need not have met that; of an engine of ours, its end tells.
    if (session.hasLostEngine && !engine.isOurs) throw session.engineGone();
    return 0;
  } finally {
    stop.end();
  }
}

async function runSources(
  session: Session,
  reporter: Reporter,
  signal: AbortSignal,
  { command, script }: InspectCommandOptions,
): Promise<HexzError | undefined> {
  if (script !== undefined) {
    return runText(session, new Source(readScript(script), script), reporter, signal);
  }
  if (command === undefined) {
    const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
    signal.addEventListener('abort', () => lines.close(), { once: true });
    try {
      return await runLines(session, lines, 'standard input', reporter, signal);
    } finally {
      lines.close();
      process.stdin.destroy();
    }
  }
  for (const text of command) {
    const error = await runText(session, new Source(text, '-c'), reporter, signal);
    if (error !== undefined || session.isOver) return error;
  }
  return undefined;
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
    this.isWanted = true;
    this.#controller.abort();
  };
  readonly #onOutputError = (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EPIPE') this.isWanted = true;
    else this.failure = outputFailed(cause);
    this.#controller.abort();
  };
  received: NodeJS.Signals | undefined;
  /** It is what somebody wanted: by a signal, or because he has read enough. */
  isWanted = false;
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

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
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
import { OUTPUT_UNWANTED, runLines, runText } from '../repl/script.js';
import { Session } from '../repl/session.js';
import { type EngineOptions, InspectedEngine } from './inspectedEngine.js';
import { summarize } from './inspectSummary.js';
import { goOnWithoutOutput, printable, reportError } from './output.js';
import { hasBeenEmpty, hasInput } from './standardInput.js';

/** Where commands come from that nobody types. */
export type ScriptSource =
  | { readonly kind: 'commands'; readonly text: string }
  /** `-` is standard input. */
  | { readonly kind: 'file'; readonly path: string };

export interface InspectCommandOptions extends EngineOptions {
  readonly attach?: string;
  /** What -c and --script name, in the order of the command line. */
  readonly sources: readonly ScriptSource[];
  readonly plain?: boolean;
  readonly altScreen: boolean;
  readonly mouse: boolean;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** As of a program that SIGPIPE ends: nobody read the output any more, and commands were left that did not run. */
const UNREAD_STATUS = 128 + constants.signals.SIGPIPE;

/**
 * `hexz inspect SNAP [MOUNTPOINT] [...]` and `hexz inspect --attach MOUNTPOINT`; answers with the exit status.
 */
export async function inspect(
  path: string | undefined,
  mountpoint: string | undefined,
  options: InspectCommandOptions,
): Promise<number> {
  check(path, mountpoint, options);
  const isTyped = isInteractive(options);
  const texts = isTyped ? [] : textsOf(options);
  const isFed = !isTyped && options.sources.length === 0;
  if (isFed && !(await hasInput())) {
    await summarize(path, options);
    return 0;
  }
  // A reader who has enough ends the script; what was begun has to be cleaned up first.
  goOnWithoutOutput();
  const engine =
    path === undefined
      ? await InspectedEngine.attach(options.attach ?? '', isTyped)
      : await InspectedEngine.start(
          path,
          mountpoint,
          options,
          isTyped ? 'terminal' : 'bound',
          !isTyped || options.plain === true,
        );
  let status = 0;
  let failure: HexzError | undefined;
  try {
    if (!isTyped) status = await runScript(engine, texts, options);
    else if (options.plain === true) status = await talk(engine);
    else status = await showScreen(engine, options);
    // Of a pipe it may turn out late that nothing comes through it.
    if (isFed && hasBeenEmpty()) await summarize(path, options);
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
  const { attach, sources, mount } = options;
  if ((path === undefined) === (attach === undefined)) {
    throw new HexzError('USAGE', 'name either a snapshot, or with --attach a mount', {
      hint: 'hexz inspect SNAPSHOT [MOUNTPOINT], or hexz inspect --attach MOUNTPOINT',
    });
  }
  if (sources.filter((source) => isStandardInput(source)).length > 1) {
    throw new HexzError('USAGE', '--script - reads standard input to its end: give it once');
  }
  if (mountpoint !== undefined && !mount) {
    throw new HexzError('USAGE', 'a mountpoint and --no-mount contradict each other');
  }
  if (options.nbd === true && !mount) {
    throw new HexzError('USAGE', '--nbd and --no-mount contradict each other');
  }
  const startOption = (['rw', 'overlay', 'force', 'allowOther', 'nbd', 'partition'] as const).find(
    (name) => options[name],
  );
  if (attach !== undefined && (startOption !== undefined || !mount)) {
    throw new HexzError(
      'USAGE',
      '--attach takes an engine as it is, without options for starting one',
    );
  }
}

const isStandardInput = (source: ScriptSource): boolean =>
  source.kind === 'file' && source.path === '-';

const isInteractive = ({ sources, json }: InspectCommandOptions): boolean =>
  sources.length === 0 &&
  json !== true &&
  process.stdin.isTTY === true &&
  process.stdout.isTTY === true;

/** A person at a terminal. */
async function talk(engine: InspectedEngine): Promise<number> {
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

/** A person at a terminal that can show a screen. */
async function showScreen(
  engine: InspectedEngine,
  { altScreen, mouse }: InspectCommandOptions,
): Promise<number> {
  const { runScreen } = await loadScreen();
  const { client, isOurs, mountProblem } = engine;
  ({ keepsOverlay: engine.keepsOverlay } = await runScreen({
    session: new Session(client, { ownsEngine: isOurs }),
    history: new History(),
    endsEngine: isOurs,
    banner: mountProblem === undefined ? undefined : whyUnmounted(mountProblem),
    input: process.stdin,
    output: process.stdout,
    usesAlternateScreen: altScreen,
    usesMouse: mouse,
  }));
  return 0;
}

/** The remedy of the one thing that is missing may be followed by others: `doctor` knows all. */
const whyUnmounted = (problem: HexzError): string =>
  `Not mounted: ${problem.message}; hexz doctor says what mends it`;

/** React looks once, when it is loaded, whether it is to check everything at each paint. Programs need not know. */
async function loadScreen(): Promise<typeof import('../tui/run.js')> {
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV ??= 'production';
  try {
    return await import('../tui/run.js');
  } finally {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
  }
}

/** Commands that are known before the first of them runs, or lines that come meanwhile. */
type ScriptText = Source | 'standard input';

/** Without -c and --script, all commands are on standard input. @throws HexzError UNREADABLE */
function textsOf({ sources }: InspectCommandOptions): readonly ScriptText[] {
  if (sources.length === 0) return ['standard input'];
  return sources.map((source) => {
    if (isStandardInput(source)) return 'standard input';
    if (source.kind === 'commands') return new Source(source.text, '-c');
    return new Source(readScript(source.path), source.path);
  });
}

/** Runs commands until one fails. */
async function runScript(
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

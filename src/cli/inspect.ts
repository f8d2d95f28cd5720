import {
  closeSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  writeSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlClient } from '../engine/control/client.js';
import { type HexzCode, HexzError } from '../engine/errors.js';
import { openLog } from '../engine/process/log.js';
import { identifyProcess, isRunning, type ProcessIdentity } from '../engine/process/processes.js';
import { findEngine, startEngine } from '../engine/process/start.js';
import { describeSystemError } from '../engine/systemErrors.js';
import { History } from '../repl/history.js';
import { Interactive } from '../repl/interactive.js';
import { Source } from '../repl/language/source.js';
import { streamOutput } from '../repl/output.js';
import { hasColours } from '../repl/rendering/hexView.js';
import { JsonReporter, type Reporter, TextReporter } from '../repl/report.js';
import { OUTPUT_UNWANTED, runLines, runText } from '../repl/script.js';
import { Session } from '../repl/session.js';
import type { ReadOptions } from './arguments.js';
import { goOnWithoutOutput, printable, reportError } from './output.js';
import { openWithPasswords } from './password.js';

/** Where commands come from that nobody types. */
export type ScriptSource =
  | { readonly kind: 'commands'; readonly text: string }
  /** `-` is standard input. */
  | { readonly kind: 'file'; readonly path: string };

export interface InspectCommandOptions extends ReadOptions {
  readonly attach?: string;
  readonly rw?: boolean;
  readonly overlay?: string;
  /** What -c and --script name, in the order of the command line. */
  readonly sources: readonly ScriptSource[];
  readonly mount: boolean;
  readonly allowOther?: boolean;
  readonly force?: boolean;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** As of a program that SIGPIPE ends: nobody read the output any more, and commands were left that did not run. */
const UNREAD_STATUS = 128 + constants.signals.SIGPIPE;
/** How long an engine has to end before its mountpoint is left where it is. */
const END_LIMIT_MS = 10_000;
const POLL_MS = 10;

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
  // A reader who has enough ends the script; what was begun has to be cleaned up first.
  goOnWithoutOutput();
  const opened = await open(path, mountpoint, options, isTyped);
  try {
    return isTyped ? await talk(opened) : await runScript(opened, texts, options);
  } finally {
    await opened.end();
  }
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

const isStandardInput = (source: ScriptSource): boolean =>
  source.kind === 'file' && source.path === '-';

const isInteractive = ({ sources, json }: InspectCommandOptions): boolean =>
  sources.length === 0 &&
  json !== true &&
  process.stdin.isTTY === true &&
  process.stdout.isTTY === true;

/**
 * An engine, and what is to be done about it in the end.
 *
 * State: `keepsOverlay` is decided by how the session ends.
 */
class Opened {
  readonly client: ControlClient;
  readonly isOurs: boolean;
  keepsOverlay = false;
  readonly #temporaryMountpoint: string | undefined;

  constructor(client: ControlClient, isOurs: boolean, temporaryMountpoint: string | undefined) {
    this.client = client;
    this.isOurs = isOurs;
    this.#temporaryMountpoint = temporaryMountpoint;
  }

  /** Ends an engine of ours, and removes what was made for it. */
  async end(): Promise<void> {
    try {
      if (this.isOurs && this.client.isOpen) await this.#shutDown();
    } finally {
      await this.client.close();
      removeDirectory(this.#temporaryMountpoint);
    }
  }

  async #shutDown(): Promise<void> {
    const { keepsOverlay } = this;
    const engine = identifyProcess(this.client.pid);
    const { overlay } = await this.client.request('state', {});
    try {
      await this.client.request('shutdown', { keepsOverlay }).catch((error: unknown) => {
        if (!isCode(error, 'MOUNT_BUSY')) throw error;
        warn(`${error.toLine()}; it is detached all the same`);
        return this.client.request('shutdown', { isLazy: true, keepsOverlay });
      });
    } catch (error) {
      // The engine may be gone before its answer is here.
      if (!isCode(error, 'ENGINE_GONE')) throw error;
    }
    await endOf(engine);
    if (keepsOverlay && overlay?.isTemporary === true && existsSync(overlay.path)) {
      tellOfOverlay(overlay.path);
    }
  }
}

const isCode = (error: unknown, code: HexzCode): error is HexzError =>
  error instanceof HexzError && error.code === code;

/** The terminal may be gone: the log keeps it, too. */
function tellOfOverlay(path: string): void {
  const text = `the overlay is kept: ${path}`;
  say(text);
  try {
    const log = openLog('hexz', 'log');
    writeSync(log.descriptor, `${new Date().toISOString()} ${text}\n`);
    closeSync(log.descriptor);
  } catch {
    // It has been said.
  }
}

/** Waits until an engine has flushed and removed what it had to, but not for ever. */
async function endOf(engine: ProcessIdentity | undefined): Promise<void> {
  const deadline = performance.now() + END_LIMIT_MS;
  while (engine !== undefined && isRunning(engine) && performance.now() < deadline) {
    await sleep(POLL_MS);
  }
}

async function open(
  path: string | undefined,
  mountpoint: string | undefined,
  options: InspectCommandOptions,
  isTyped: boolean,
): Promise<Opened> {
  if (path === undefined) return attach(options.attach ?? '', isTyped);
  const { snapshot, passwords } = await openWithPasswords(path, options);
  // The engine opens it for itself; here it was to be found out whether that can work.
  snapshot.close();
  const temporary = mountpoint === undefined && options.mount ? newMountpoint() : undefined;
  try {
    const { overlay, cacheSize, rw = false, allowOther = false, force = false } = options;
    const engine = await startEngine({
      snapshot: path,
      mountpoint: mountpoint ?? temporary,
      // Also when this process is killed before it can.
      scratchDirectory: temporary,
      ...(overlay === undefined ? {} : { overlay }),
      ...(cacheSize === undefined ? {} : { cacheSize }),
      rw,
      allowOther,
      force,
      passwords,
      parentDirectories: options.parentDir ?? [],
      onError: (error) => reportError(error, undefined),
    });
    engine.warnings.forEach(warn);
    const client = await ControlClient.connect(engine.socketPath);
    await client.request('lease', { kind: isTyped ? 'terminal' : 'bound' });
    return new Opened(client, true, temporary);
  } catch (error) {
    removeDirectory(temporary);
    throw error;
  }
}

/** An engine whose terminal was lost has a new one then, which ends it. */
async function attach(mountpoint: string, isTyped: boolean): Promise<Opened> {
  const client = await ControlClient.connect(findEngine(mountpoint).socketPath);
  const { lease } = await client.request('state', {});
  const adopts = isTyped && lease === 'orphaned';
  if (adopts) await client.request('lease', { kind: 'terminal' });
  return new Opened(client, adopts, undefined);
}

function newMountpoint(): string {
  try {
    return mkdtempSync(join(realpathSync(tmpdir()), 'hexz-inspect-'));
  } catch (cause) {
    throw new HexzError(
      'MOUNTPOINT_UNUSABLE',
      `cannot make a temporary directory: ${describeSystemError(cause)}`,
      { hint: 'name a mountpoint, or give --no-mount', cause },
    );
  }
}

function removeDirectory(path: string | undefined): void {
  try {
    if (path !== undefined) rmdirSync(path);
  } catch {
    // Something is still mounted there, or the engine has removed it.
  }
}

/** A person at a terminal. */
async function talk(opened: Opened): Promise<number> {
  const { client } = opened;
  const interactive = new Interactive({
    session: new Session(client),
    input: process.stdin,
    output: process.stdout,
    history: new History(),
    isColoured: hasColours(),
    endsEngine: opened.isOurs,
  });
  const { snapshot, mount } = await client.request('state', {});
  const place = mount === null ? 'not mounted' : `mounted at ${mount.mountpoint}`;
  process.stdout.write(`${printable(`${snapshot.path}, ${place}`)}; help lists the commands\n`);
  const sendAway = (): void => interactive.sendAway();
  for (const signal of ['SIGHUP', 'SIGTERM'] as const) process.once(signal, sendAway);
  ({ keepsOverlay: opened.keepsOverlay } = await interactive.run());
  return 0;
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
  { client }: Opened,
  texts: readonly ScriptText[],
  options: InspectCommandOptions,
): Promise<number> {
  const stop = new Stop();
  const reporter = reporterFor(options);
  const session = new Session(client);
  try {
    const error = await runTexts(session, texts, reporter, stop.signal);
    if (stop.failure !== undefined) throw stop.failure;
    if (error === OUTPUT_UNWANTED) return UNREAD_STATUS;
    return error === undefined ? 0 : error.exitStatus;
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
 * What stops a script before its end: a signal, which then ends this process as it would any other, or an output
 * that takes no more.
 */
class Stop {
  readonly #controller = new AbortController();
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.#received = signal;
    this.#controller.abort();
  };
  readonly #onOutputError = (cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE') this.failure = outputFailed(cause);
    this.#controller.abort(OUTPUT_UNWANTED);
  };
  #received: NodeJS.Signals | undefined;
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
    const received = this.#received;
    // Behind the cleaning up.
    if (received !== undefined) process.once('exit', () => process.kill(process.pid, received));
  }
}

const outputFailed = (cause: NodeJS.ErrnoException): HexzError =>
  new HexzError('OUTPUT_FAILED', `cannot write it: ${describeSystemError(cause)}`, {
    location: { file: 'standard output' },
    cause,
  });

const say = (text: string): void => {
  process.stderr.write(`hexz: ${printable(text)}\n`);
};

const warn = (text: string): void => say(`warning: ${text}`);

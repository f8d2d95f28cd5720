import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { HexzError } from '../engine/errors.js';
import { programMark } from './programWatch.js';
import type { Pieces } from './rendering/rendering.js';

/** Of each output of a program whose outputs are captured; what is beyond is lost, and said to be. */
const MAX_CAPTURED_BYTES = 16 * 1024 * 1024;

/** How long a program may take to end when it is told to. */
const TERM_LIMIT_MS = 1000;

export interface ProgramOptions {
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What it reads; without, it reads what we would. */
  readonly input?: Pieces | undefined;
  readonly output: 'shared' | 'captured';
  readonly signal: AbortSignal;
}

/** How a program ended; with what it printed where that was captured. */
export interface ProgramResult {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout?: string;
  readonly stderr?: string;
  /** Only when more was printed than is kept. */
  readonly isCut?: boolean;
}

/**
 * Runs `/bin/sh -c COMMAND` to its end. A program that stops reading before its input ends has read enough.
 *
 * @throws HexzError CANCELLED when the signal came, PROGRAM_FAILED when it cannot be started, what the input throws
 */
export async function runProgram(command: string, options: ProgramOptions): Promise<ProgramResult> {
  const { env, input, output, signal } = options;
  const isCaptured = output === 'captured';
  const child = spawn('/bin/sh', ['-c', command], {
    env: { ...process.env, ...env, ...programMark() },
    stdio: [
      input === undefined ? (isCaptured ? 'ignore' : 'inherit') : 'pipe',
      isCaptured ? 'pipe' : 'inherit',
      isCaptured ? 'pipe' : 'inherit',
    ],
    // On a terminal it has to stay in our group, and gets the signals of the keyboard itself.
    detached: isCaptured,
  });
  const ended = once(child, isCaptured ? 'close' : 'exit').catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HexzError('PROGRAM_FAILED', `it cannot be started: ${why}`, { cause });
  });
  ended.catch(() => {});
  let impatience: NodeJS.Timeout | undefined;
  const end = (): void => {
    const { pid } = child;
    if (pid === undefined || child.exitCode !== null) return;
    signalAll(pid, isCaptured, 'SIGTERM');
    impatience = setTimeout(() => signalAll(pid, isCaptured, 'SIGKILL'), TERM_LIMIT_MS);
  };
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    const captured = [new Capture(child.stdout), new Capture(child.stderr)];
    if (child.stdin !== null && input !== undefined) {
      try {
        await feed(child.stdin, input);
      } catch (error) {
        // What it has read so far is shown before anybody goes on.
        await ended;
        throw error;
      }
    }
    const [status, endedBy] = (await ended) as [number | null, NodeJS.Signals | null];
    if (signal.aborted) throw new HexzError('CANCELLED', 'the program was ended');
    if (!isCaptured) return { status, signal: endedBy };
    const [stdout = '', stderr = ''] = captured.map(({ text }) => text);
    const cut = captured.some(({ isCut }) => isCut) ? { isCut: true } : {};
    return { status, signal: endedBy, stdout, stderr, ...cut };
  } finally {
    clearTimeout(impatience);
    signal.removeEventListener('abort', end);
  }
}

/** What was captured; what it printed to outputs that it shares with us has been seen. */
export const outputOf = ({ stdout = '', stderr = '' }: ProgramResult): string[] => [stdout, stderr];

/** Tells a program and those that it has started: its group if it has one, else its descendants. */
function signalAll(pid: number, hasGroup: boolean, signal: NodeJS.Signals): void {
  for (const target of hasGroup ? [-pid] : [pid, ...descendantsOf(pid)]) {
    try {
      process.kill(target, signal);
    } catch {
      // It has just ended.
    }
  }
}

function descendantsOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? [];
    return children.map(Number).flatMap((child) => [child, ...descendantsOf(child)]);
  } catch {
    return [];
  }
}

/** Why a program stops a script, if it does. */
export function programFailure({ status, signal }: ProgramResult): HexzError | undefined {
  if (status === 0) return undefined;
  const how = signal === null ? `with status ${status}` : `by ${signal}`;
  return new HexzError('PROGRAM_FAILED', `the program ended ${how}`);
}

async function feed(stdin: Writable, input: Pieces): Promise<void> {
  let isClosed = false;
  let goOn = (): void => {};
  const close = (): void => {
    isClosed = true;
    goOn();
  };
  stdin.on('error', close);
  stdin.on('close', close);
  stdin.on('drain', () => goOn());
  try {
    for await (const piece of input) {
      if (isClosed) return;
      if (stdin.write(piece)) continue;
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
  } finally {
    stdin.end();
  }
}

class Capture {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  isCut = false;

  constructor(output: NodeJS.ReadableStream | null) {
    output?.on('data', (chunk: Buffer) => {
      const room = MAX_CAPTURED_BYTES - this.#bytes;
      if (chunk.length > room) this.isCut = true;
      const kept = chunk.subarray(0, room);
      this.#bytes += kept.length;
      if (kept.length > 0) this.#chunks.push(kept);
    });
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}

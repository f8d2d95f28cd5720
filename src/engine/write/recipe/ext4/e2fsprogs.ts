import { type ChildProcess, spawn } from 'node:child_process';
import { HexzError } from '../../../errors.js';
import { findProgram } from '../../../programs.js';
import { describeSystemError } from '../../../systemErrors.js';

const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin'];
const MAX_MESSAGE_LENGTH = 64 * 1024;

export interface Run {
  readonly program: 'mke2fs' | 'debugfs';
  readonly parameters: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program of e2fsprogs with nothing of our environment but what is given.
 *
 * @returns what it printed on standard error
 * @throws HexzError TOOL_MISSING; OUTPUT_FAILED with what it said; what the signal was aborted with
 */
export async function runE2fsprogs(run: Run): Promise<string> {
  const { program, parameters, directory: cwd, environment, signal } = run;
  signal?.throwIfAborted();
  const child = spawn(pathOf(program), [...parameters], {
    cwd,
    // Messages are read, times are compared, and nothing of ours shall have a say.
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill);
  try {
    const { message, status } = await outcomeOf(child, program);
    signal?.throwIfAborted();
    if (status === 0) return message;
    const said = message.trim().split('\n').at(-1) ?? '';
    throw new HexzError('OUTPUT_FAILED', `${program} failed (status ${status}): ${said}`);
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

/**
 * The version of e2fsprogs on this machine, such as 1.47.0.
 *
 * @throws HexzError TOOL_MISSING, OUTPUT_FAILED
 */
export async function e2fsprogsVersion(signal?: AbortSignal): Promise<string> {
  const versions: string[] = [];
  for (const program of ['mke2fs', 'debugfs'] as const) {
    const run = { program, parameters: ['-V'], directory: '/', environment: {}, signal };
    const message = await runE2fsprogs(run);
    const version = new RegExp(`^${program} (\\S+)`, 'm').exec(message)?.[1];
    if (version === undefined) {
      throw new HexzError('OUTPUT_FAILED', `${program} -V does not tell its version`);
    }
    versions.push(version);
  }
  return [...new Set(versions)].join(' and ');
}

function pathOf(program: string): string {
  const path = findProgram(program, SYSTEM_DIRECTORIES);
  if (path !== undefined) return path;
  throw new HexzError('TOOL_MISSING', `an ext4 needs the program ${program}, which is not there`, {
    hint: 'apt install e2fsprogs',
  });
}

function outcomeOf(
  child: ChildProcess,
  program: string,
): Promise<{ message: string; status: number | string | null }> {
  let message = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    message = (message + text).slice(0, MAX_MESSAGE_LENGTH);
  });
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => {
      const reason = `cannot run ${program}: ${describeSystemError(cause)}`;
      reject(new HexzError('OUTPUT_FAILED', reason, { cause }));
    });
    child.on('close', (status, signal) => resolve({ message, status: status ?? signal }));
  });
}

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectDirectory } from './fixtures.js';

/** The built command, as it is published. */
export const cliPath = join(projectDirectory, 'dist', 'cli', 'main.js');
if (!existsSync(cliPath)) throw new Error('the command is not built: npm run build');

/** A module that Node loads before the command. */
const moduleOf = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;

/** Writes the peak memory in KiB to descriptor 3. */
const REPORT_PEAK = moduleOf(`
  import { writeSync } from 'node:fs';
  process.on('exit', () => writeSync(3, String(process.resourceUsage().maxRSS)));
`);

export interface CliResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly peakMemoryBytes: number;
}

export interface CliOptions {
  /** Added to an environment without any of hexz's own variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  /** What it reads from standard input, a pipe. Without, there is none. */
  readonly input?: Buffer;
  /** JavaScript that runs in the process before the command. */
  readonly before?: string;
}

export function cliEnvironment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('HEXZ_') || name === 'HEXZ_BACKEND',
  );
  return { ...Object.fromEntries(inherited), ...added };
}

/** Runs the built command to its end, without a terminal. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { env, before = '', input, ...spawnOptions } = options;
  const imports = ['--import', REPORT_PEAK, '--import', moduleOf(before)];
  const child = spawn(process.execPath, [...imports, cliPath, ...args], {
    ...spawnOptions,
    env: cliEnvironment(env),
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  // It may end before it has read everything.
  child.stdin?.on('error', () => {}).end(input);
  const collected = [1, 2, 3].map((descriptor) => {
    const chunks: Buffer[] = [];
    child.stdio[descriptor]?.on('data', (chunk: Buffer) => chunks.push(chunk));
    return chunks;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const [stdout = [], stderr = [], peak = []] = collected;
      resolve({
        status,
        signal,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString(),
        peakMemoryBytes: Number(Buffer.concat(peak).toString()) * 1024,
      });
    });
  });
}

/** The JSON documents that a command printed, one a line. */
export const jsonLinesOf = ({ stdout }: CliResult): Record<string, unknown>[] =>
  stdout
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** The one JSON document that a command printed. */
export const jsonOf = ({ stdout }: CliResult): Record<string, unknown> =>
  JSON.parse(stdout.toString()) as Record<string, unknown>;

import { type ChildProcess, spawn } from 'node:child_process';
import { cliEnvironment, cliPath } from '../cli.js';
import type { mounts } from '../mounts.js';
import { within } from '../until.js';

interface Ready {
  readonly pid: number;
  readonly nbd: readonly string[];
  readonly overlay: string | null;
}

/** What `hexz serve --nbd` serves in the foreground. */
export interface Serving {
  readonly ready: Ready;
  readonly url: string;
  stderr(): string;
  /** Sends a signal; answers with the exit status. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Runs `hexz serve SNAP --nbd --port 0`, or at the socket that the arguments name. */
export async function startServing(
  hexz: ReturnType<typeof mounts>,
  snapshot: string,
  args: readonly string[] = [],
): Promise<Serving> {
  const place = args.includes('--socket') || args.includes('--port') ? [] : ['--port', '0'];
  const child = spawn(
    process.execPath,
    [cliPath, 'serve', snapshot, '--nbd', '--json', ...place, ...args],
    {
      env: cliEnvironment(hexz.sandbox.environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const ready = await within(
    'a server',
    firstLine(child, () => stderr),
  );
  return {
    ready,
    url: ready.nbd[0] ?? '',
    stderr: () => stderr,
    end(signal) {
      child.kill(signal);
      return within(`the end after ${signal}`, ended);
    },
  };
}

function firstLine(child: ChildProcess, stderr: () => string): Promise<Ready> {
  let stdout = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk;
      const [line = '', rest] = stdout.split('\n');
      if (rest !== undefined && line !== '{') resolve(JSON.parse(line) as Ready);
    });
    child.on('close', () => reject(new Error(`it does not serve: ${stderr()}`)));
  });
}

/** Where a client connects to. */
export function placeOf(url: string): { path: string } | { host: string; port: number } {
  const { hostname, port, searchParams } = new URL(url);
  const path = searchParams.get('socket');
  return path === null ? { host: hostname, port: Number(port) } : { path };
}

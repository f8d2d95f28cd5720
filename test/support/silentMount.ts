import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach } from 'vitest';
import { runTool } from './tools.js';

/** Whether this user may mount with FUSE by system calls of his own. */
export const canMountFuse =
  process.getuid?.() === 0 && runTool('sh', '-c', 'exec 3<>/dev/fuse && command -v mount');

interface SilentMount {
  readonly mountpoint: string;
  readonly pid: number;
  /** Kills the server: the mount is dead from then on. */
  kill(): Promise<void>;
}

export interface SilentMountOptions {
  readonly source?: string;
  /** Whether the server ends when the kernel ends the connection. */
  readonly endsWithMount?: boolean;
}

/**
 * For the top of a test file: a function that makes FUSE mounts whose server never answers anything, so that
 * whoever touches them hangs. All are swept away after each test.
 */
export function silentMounts(): (
  mountpoint: string,
  options?: SilentMountOptions,
) => Promise<SilentMount> {
  const swept: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const sweep of swept.splice(0)) await sweep();
  });
  return async (mountpoint, { source = 'hexz', endsWithMount = true } = {}) => {
    const server = endsWithMount ? 'exec cat <&3 >/dev/null' : 'exec sleep 60';
    const script = `
      exec 3<>/dev/fuse
      mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 "$1" "$2" || exit 1
      echo mounted
      ${server}`;
    const child = spawn('sh', ['-c', script, 'sh', source, mountpoint], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    swept.push(async () => {
      runTool('umount', '-i', '-c', '-l', mountpoint);
      await end(child);
    });
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error(`cannot mount ${mountpoint}`))),
    ]);
    const { pid } = child;
    if (pid === undefined) throw new Error('no server');
    return { mountpoint, pid, kill: () => end(child) };
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

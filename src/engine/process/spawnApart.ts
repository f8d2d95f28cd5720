import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fuseDescriptors } from '../fuse/fuseDescriptors.js';

type Stream = 'pipe' | 'ignore';

/**
 * Starts a program of the system that has nothing to do with our mounts: not working where we are, which may be in one, and
 * without our connections to them, which libfuse leaves to programs that are started. One that has such a connection keeps
 * it open when we are killed, and waits for an answer that nobody gives. It speaks English.
 *
 * @param streams what it reads, prints, and complains
 */
export function spawnApart(
  program: string,
  parameters: readonly string[],
  streams: readonly [Stream, Stream, Stream],
): ChildProcess {
  const nothing = openSync('/dev/null', 'r');
  try {
    return spawn(program, parameters, {
      cwd: '/',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: [...streams, ...connectionsReplaced(nothing)],
    });
  } finally {
    closeSync(nothing);
  }
}

/** What takes the place of the connections of mounts, from descriptor 3 on. */
function connectionsReplaced(descriptor: number): ('ignore' | number)[] {
  const stdio: ('ignore' | number)[] = [];
  for (const name of fuseDescriptors()) {
    const index = Number(name) - 3;
    while (stdio.length < index) stdio.push('ignore');
    stdio[index] = descriptor;
  }
  return stdio;
}

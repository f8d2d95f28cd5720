import { spawnSync } from 'node:child_process';

/** Runs a program of the system; whether it succeeded. */
export const runTool = (name: string, ...args: string[]): boolean =>
  spawnSync(name, args, { stdio: 'ignore' }).status === 0;

/** Makes a named pipe. */
export function makePipe(path: string): void {
  if (!runTool('mkfifo', path)) throw new Error(`cannot make the pipe ${path}`);
}

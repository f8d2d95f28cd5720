import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';

/**
 * Ends what the programs of a session have started when this process is killed: nobody else would.
 *
 * Every program gets a mark in its environment, which its descendants inherit, also those that leave group and session. A small
 * process waits for the end of a pipe that this process alone holds; then it kills whoever has the mark. It has a
 * session of its own, so that what ends us from a terminal does not reach it.
 *
 *   state     begins with                     when this process ends, programs that still run
 *   unneeded  the start                       are none
 *   watching  the first `programMark`         are killed
 *   let go    `letProgramsGo`                 go on
 *
 * A program that clears its environment, or becomes another user's, is out of its reach.
 */
const MARK = 'HEXZ_SESSION';
const WATCH = `
read -r _ && exit
for round in 1 2 3 4 5; do
  pids=$(grep -lszxF -- "$1" /proc/[0-9]*/environ | cut -d / -f 3)
  test -n "$pids" || exit
  kill -KILL $pids
done
`;

const value = `${process.pid}-${randomBytes(8).toString('hex')}`;
let watch: ChildProcess | undefined;

/** What a program needs in its environment to be watched. */
export function programMark(): Readonly<Record<string, string>> {
  watch ??= startWatch();
  return { [MARK]: value };
}

/** What still runs may go on when this process ends: it was left on purpose. */
export function letProgramsGo(): void {
  watch?.stdin?.end('go\n');
  watch = undefined;
}

function startWatch(): ChildProcess {
  // It has the mark of nobody: neither ours nor that of a session that we may be a program of.
  const { [MARK]: _, ...env } = process.env;
  const child = spawn('/bin/sh', ['-c', WATCH, 'sh', `${MARK}=${value}`], {
    cwd: '/',
    env: { ...env, LC_ALL: 'C' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without it programs run all the same.
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return child;
}

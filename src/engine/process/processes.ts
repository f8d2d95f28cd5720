import { setTimeout as sleep } from 'node:timers/promises';
import { readAtMost } from './boundedFile.js';

/** A process that cannot be taken for a later one of the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in clock ticks since the machine was: field 22 of /proc/PID/stat. */
  readonly startTicks: number;
}

const MAX_PROCESS_FILE_BYTES = 4096;
const MAX_COMMAND_LENGTH = 60;

/** A running process as it can be found again, or undefined if none has this number. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const [state, ...fields] = statOf(pid);
  // What has ended and waits for its parent to notice does nothing more.
  if (state === '' || state === 'Z' || state === 'X') return undefined;
  const startTicks = Number(fields[18]);
  return Number.isSafeInteger(startTicks) ? { pid, startTicks } : undefined;
}

export const isRunning = ({ pid, startTicks }: ProcessIdentity): boolean =>
  identifyProcess(pid)?.startTicks === startTicks;

/** Whether a process does nothing until it gets SIGCONT. */
export const isStopped = (identity: ProcessIdentity): boolean =>
  isRunning(identity) && statOf(identity.pid)[0] === 'T';

const POLL_MILLISECONDS = 10;

/** Waits for the end of a process, which need not be a child, but not for ever; answers whether it has come. */
export async function endsWithin(
  identity: ProcessIdentity,
  limitMilliseconds: number,
): Promise<boolean> {
  const deadline = performance.now() + limitMilliseconds;
  while (isRunning(identity)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MILLISECONDS);
  }
  return true;
}

/** The command line of a process, shortened; of those that have none, the name. */
export function commandOf(pid: number): string {
  const line = readProcessFile(pid, 'cmdline').replaceAll('\0', ' ').trim();
  const command = line === '' ? readProcessFile(pid, 'comm').trim() : line;
  const isLong = command.length > MAX_COMMAND_LENGTH;
  return isLong ? `${command.slice(0, MAX_COMMAND_LENGTH - 1)}…` : command;
}

/** The fields of /proc/PID/stat from the state on. */
function statOf(pid: number): readonly string[] {
  const stat = readProcessFile(pid, 'stat');
  // The name stands in parentheses and may hold anything, parentheses too.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readProcessFile(pid: number, name: string): string {
  try {
    return readAtMost(`/proc/${pid}/${name}`, MAX_PROCESS_FILE_BYTES).toString('utf8');
  } catch {
    return '';
  }
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { markedBytes, randomFrom } from '../support/overlay/memoryBase.js';
import type { Random } from '../support/overlay/simulatedFiles.js';
import type { Change } from '../support/write/changedOverlay.js';
import { type CommitOutcome, CommitScene, expectPacked } from '../support/write/commitScene.js';
import type { Program } from './processes.js';

export interface WriteCrashOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Everything lies there. What belongs to a round that fails is kept. */
  readonly directory: string;
  readonly hexz: Program;
  readonly signal?: AbortSignal;
  readonly onRound?: (done: number) => void;
}

/** How often what was left. */
export type WriteCrashResult = Record<CommitOutcome | 'finished', number>;

/** Large enough for a thread. */
const DISK_BYTES = 66 * 1024 * 1024 + 1001;
const MEMORY_BYTES = 3 * 1024 * 1024 + 5;
const PAGE_BYTES = 4096;
const CHANGED_PAGES = 300;
const COMMITTED_PAGES = 100;

/** Each gets a quarter of the rounds. */
const KINDS: readonly (readonly string[])[] = [
  ['pack', '--compression', 'zstd'],
  ['commit', '--compression', 'zstd'],
  ['commit', '--thin'],
  ['commit', '--select'],
];

/**
 * Rounds in which `pack` or `commit` is killed at a random moment; afterwards the new snapshot is complete or absent,
 * and base and overlay are whole.
 *
 * @throws Error that says which round failed, how, and where its files are
 */
export async function writeRounds(options: WriteCrashOptions): Promise<WriteCrashResult> {
  const { rounds, seed, signal, onRound } = options;
  const random = randomFrom(seed);
  const template = join(options.directory, 'template');
  mkdirSync(template);
  const disk = markedBytes(DISK_BYTES, 1);
  const memory = markedBytes(MEMORY_BYTES, 2);
  const changes = someChanges(random);
  const scene = await CommitScene.make(template, { disk, memory }, changes);
  const selected = Buffer.from(disk);
  for (const { offset, bytes } of changes.slice(0, COMMITTED_PAGES)) bytes.copy(selected, offset);
  const selection = changes
    .slice(0, COMMITTED_PAGES)
    .map(({ offset }) => `${offset / PAGE_BYTES}\n`)
    .join('');

  const result: WriteCrashResult = { nothing: 0, made: 0, deleted: 0, rebound: 0, finished: 0 };
  const durations = new Map<readonly string[], number>();
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted();
    const kind = KINDS[round % KINDS.length] ?? [];
    const directory = join(options.directory, `round-${round}`);
    const operands = scene.copyTo(directory);
    if (kind.includes('--select')) writeFileSync(join(directory, 'selection'), selection);
    const args = argumentsOf(kind, directory, template, operands);
    try {
      // Those of a kind that come to their end tell how long it takes.
      const limit = durations.get(kind);
      const startedAt = performance.now();
      const hasEnded = await run(options.hexz, args, limit && random() * limit);
      if (hasEnded) durations.set(kind, performance.now() - startedAt);
      const outcome =
        kind[0] === 'pack'
          ? expectPacked(join(directory, 'out.hxz'), { disk, memory })
          : await scene.check(directory, kind.includes('--select') ? selected : undefined);
      if (hasEnded && outcome === 'nothing') throw new Error('it ended well and made nothing');
      result[hasEnded ? 'finished' : outcome]++;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`round ${round}, ${kind.join(' ')}: ${message}; see ${directory}`, { cause });
    }
    rmSync(directory, { recursive: true });
    onRound?.(round + 1);
  }
  return result;
}

/** Writes of one page each, no page twice, near the start: the rest of the overlay would be holes. */
function someChanges(random: Random): Extract<Change, { kind: 'write' }>[] {
  const pages = new Set<number>();
  while (pages.size < CHANGED_PAGES) pages.add(Math.floor(random() * 2000));
  return [...pages].map((page) => ({
    kind: 'write',
    offset: page * PAGE_BYTES,
    bytes: markedBytes(PAGE_BYTES, page),
  }));
}

function argumentsOf(
  [command = '', ...flags]: readonly string[],
  directory: string,
  template: string,
  operands: readonly string[],
): string[] {
  if (command === 'commit') {
    const selection = flags.includes('--select') ? [join(directory, 'selection')] : [];
    return [command, ...operands, ...flags, ...selection];
  }
  const inputs = ['--disk', join(template, 'disk'), '--memory', join(template, 'memory')];
  return [command, ...inputs, '-o', join(directory, 'out.hxz'), ...flags];
}

/** Runs a command, and kills it after a time; answers whether it has ended before. */
async function run(
  hexz: Program,
  args: readonly string[],
  lifeMilliseconds: number | undefined,
): Promise<boolean> {
  const command = [...(hexz.options ?? []), hexz.path, ...args];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = once(child, 'close');
  if (lifeMilliseconds !== undefined) {
    await Promise.race([ended, sleep(lifeMilliseconds)]);
    child.kill('SIGKILL');
  }
  const [status, signal] = (await ended) as [number | null, string | null];
  if (signal === 'SIGKILL') return false;
  if (status !== 0) throw new Error(`it ended with ${status ?? signal}: ${said}`);
  return true;
}

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifyOverlay } from '../../src/engine/overlay/maintenance.js';
import { unmount } from '../../src/engine/process/unmount.js';
import { openOverlay } from '../../src/engine/volume/openOverlay.js';
import { baseDiskOf } from '../../src/engine/volume/volume.js';
import { openSnapshot, type Snapshot } from '../../src/index.js';
import { EngineProcess, type Program, within } from '../crash/processes.js';
import { randomFrom } from '../support/overlay/memoryBase.js';
import type { Random } from '../support/overlay/simulatedFiles.js';
import { packSnapshot } from '../support/snapshots.js';
import { baseDisk, bytesOf, findInvented } from './pattern.js';
import type { ChangeOperation, Report, Task, WriteTask } from './task.js';

export interface FsxOptions {
  /** How long to go on; a round that has begun is finished. */
  readonly milliseconds: number;
  readonly roundMilliseconds: number;
  readonly seed: number;
  /** Everything lies there. After a failure it is kept. */
  readonly directory: string;
  readonly hexz: Program;
  /** `diskUser.ts`. */
  readonly user: Program;
  readonly signal?: AbortSignal;
  readonly onRound?: (result: FsxResult) => void;
}

export interface FsxResult {
  rounds: number;
  operations: number;
  /** Rounds that ended with the engine's death. */
  kills: number;
}

const BASE_BYTES = 24 * 1024 * 1024 + 1001;
/** Ranges meet within pages. The first one is left alone, the last one is where the disk is cut and grows. */
const UNTOUCHED_LENGTH = 4 * 1024 * 1024 + 333;
const BORDERS = [UNTOUCHED_LENGTH, 11_000_001, 17_003_007, 32 * 1024 * 1024];
const TAIL_OFFSET = BORDERS[2] as number;
const ROUNDS_PER_OVERLAY = 6;

/** How the engine is started; one after the other, each with every end. */
const SETTINGS: readonly (readonly string[])[] = [[], ['--writeback'], ['--cache-size', '1M'], []];
/** After a kill, only what was synced is known. */
const isWriteback = (setting: readonly string[]): boolean => setting.includes('--writeback');
const KILL_SHARE = 0.4;

/**
 * Rounds in which three processes do anything to a writable mount, each to a range of its own, and a fourth one reads all
 * of it. Each round ends with an unmount, or the engine is killed; then the overlay must hold what was answered.
 *
 * @throws Error that says what was wrong, and where the files are
 */
export async function fsxRounds(options: FsxOptions): Promise<FsxResult> {
  const result: FsxResult = { rounds: 0, operations: 0, kills: 0 };
  const snapshotPath = join(options.directory, 'base.hxz');
  packSnapshot(snapshotPath, { disk: baseDisk(BASE_BYTES) });
  const snapshot = openSnapshot(snapshotPath);
  const users = BORDERS.map(() => new DiskUserProcess(options.user));
  await Promise.all(users.map(({ ready }) => ready));
  const end = performance.now() + options.milliseconds;
  const random = randomFrom(options.seed);
  try {
    for (let overlay = 0; performance.now() < end; overlay++) {
      const run = new OverlayRun(options, snapshot, users, random, `overlay-${overlay}`);
      for (let round = 0; round < ROUNDS_PER_OVERLAY && performance.now() < end; round++) {
        options.signal?.throwIfAborted();
        const setting = SETTINGS[result.rounds % SETTINGS.length] as readonly string[];
        const isKilled = random() < KILL_SHARE;
        result.operations += await run.round(setting, isKilled);
        result.rounds++;
        if (isKilled) result.kills++;
        options.onRound?.(result);
      }
      run.remove();
    }
    return result;
  } finally {
    for (const user of users) user.end();
    snapshot.close();
  }
}

/** One overlay, round after round. */
class OverlayRun {
  readonly #options: FsxOptions;
  readonly #snapshot: Snapshot;
  readonly #users: readonly DiskUserProcess[];
  readonly #random: Random;
  readonly #directory: string;
  readonly #mountpoint: string;
  readonly #overlayPath: string;
  /** What the disk must hold. */
  #expected: Buffer;

  constructor(
    options: FsxOptions,
    snapshot: Snapshot,
    users: readonly DiskUserProcess[],
    random: Random,
    name: string,
  ) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#users = users;
    this.#random = random;
    this.#directory = join(options.directory, name);
    this.#mountpoint = join(this.#directory, 'mount');
    this.#overlayPath = join(this.#directory, 'disk.overlay');
    mkdirSync(this.#mountpoint, { recursive: true });
    this.#expected = Buffer.alloc(BASE_BYTES);
    snapshot.readInto('disk', 0, this.#expected);
  }

  /** Answers how many operations it was. */
  async round(setting: readonly string[], isKilled: boolean): Promise<number> {
    const parameters = [
      this.#snapshot.path,
      this.#mountpoint,
      '--rw',
      '--backend',
      'kernel',
      ...setting,
    ];
    const engine = new EngineProcess(this.#options.hexz, [
      ...parameters,
      ...['--overlay', this.#overlayPath],
    ]);
    try {
      await engine.untilReady();
      const writers = this.#writeTasks();
      const reports = await this.#use(writers, isKilled ? engine : undefined);
      engine.expectNoComplaint();
      this.#take(writers, reports);
      if (!isKilled) {
        const disk = readFile(join(this.#mountpoint, 'disk'));
        this.#check('the mount', await within(disk, 'a read of the mount'), []);
      }
      await unmount(this.#mountpoint);
      if (!isKilled) await engine.untilEnded();
      const found = await this.#readOverlay();
      if (isKilled && isWriteback(setting)) this.#takeUnsynced(found, reports);
      const inFlight = reports.flatMap((report) => report.inFlight ?? []);
      this.#check('the overlay', found, inFlight);
      await this.#checkSound(isKilled);
      this.#expected = found;
      return reports.reduce((sum, { operations }) => sum + operations, 0);
    } catch (cause) {
      writeFileSync(join(this.#directory, 'expected-disk'), this.#expected);
      const message = cause instanceof Error ? cause.message : String(cause);
      const how = [...setting, isKilled ? 'killed' : 'unmounted'].join(' ');
      throw new Error(`${how}: ${message}; see ${this.#directory}`, { cause });
    } finally {
      await engine.kill();
      await unmount(this.#mountpoint, { isLazy: true }).catch(() => {});
    }
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }

  #writeTasks(): WriteTask[] {
    return BORDERS.slice(0, -1).map((startOffset, index) => {
      const endOffset = BORDERS[index + 1] as number;
      const modelPath = join(this.#directory, `model-${index}`);
      writeFileSync(modelPath, this.#expected.subarray(startOffset, endOffset));
      const diskLength = startOffset === TAIL_OFFSET ? this.#expected.length : undefined;
      return {
        ...this.#commonTask(),
        kind: 'write',
        startOffset,
        endOffset,
        modelPath,
        diskLength,
      };
    });
  }

  #commonTask() {
    return {
      diskPath: join(this.#mountpoint, 'disk'),
      seed: Math.floor(this.#random() * 2 ** 31),
      milliseconds: this.#options.roundMilliseconds,
      zerosFromOffset: TAIL_OFFSET,
    };
  }

  /** The reports of those that write. */
  async #use(
    writers: readonly WriteTask[],
    killed: EngineProcess | undefined,
  ): Promise<readonly Report[]> {
    const diskLength = this.#expected.length;
    const untouchedLength = UNTOUCHED_LENGTH;
    const reader: Task = { ...this.#commonTask(), kind: 'read', diskLength, untouchedLength };
    const done = Promise.all(
      [...writers, reader].map(
        (task, index) => this.#users[index]?.perform(task) as Promise<Report>,
      ),
    );
    if (killed !== undefined) {
      await Promise.race([done, sleep(this.#random() * this.#options.roundMilliseconds)]);
      await killed.kill();
    }
    const reports = await done;
    for (const { failure, isDead } of reports) {
      if (failure !== undefined && !(isDead && killed !== undefined)) throw new Error(failure);
    }
    return reports.slice(0, writers.length);
  }

  /** What the disk must hold now, by those that wrote it. */
  #take(tasks: readonly WriteTask[], reports: readonly Report[]): void {
    const length = reports.at(-1)?.diskLength ?? this.#expected.length;
    const expected = Buffer.alloc(length);
    this.#expected.copy(expected, 0, 0, UNTOUCHED_LENGTH);
    for (const { startOffset, modelPath } of tasks) {
      readFileSync(modelPath).copy(expected, startOffset);
    }
    this.#expected = expected;
  }

  /** Where no fsync has confirmed a write, anything may be that was there once. How long the disk is, too. */
  #takeUnsynced(found: Buffer, reports: readonly Report[]): void {
    const expected = Buffer.from(found);
    this.#expected.copy(expected, 0, 0, TAIL_OFFSET);
    const ranges = reports.flatMap(({ unsynced }) => unsynced);
    for (const { offset, length } of ranges) {
      const part = found.subarray(offset, offset + length);
      const invented = findInvented(part, offset, TAIL_OFFSET);
      if (invented !== undefined) throw new Error(`the overlay invents byte ${invented}`);
      part.copy(expected, offset);
    }
    this.#expected = expected;
  }

  /** Of what is in flight nothing is there, all, or, if it is a write, any part. */
  #check(where: string, found: Buffer, inFlight: readonly ChangeOperation[]): void {
    const expected = Buffer.alloc(found.length);
    this.#expected.copy(expected);
    const lengths = [this.#expected.length];
    for (const change of inFlight) {
      if (change.kind === 'truncate') {
        lengths.push(change.length);
        continue;
      }
      const { offset, length, version } = change;
      const growth = Math.min(offset + length, Math.max(found.length, this.#expected.length));
      lengths.push(Math.max(growth, this.#expected.length));
      const bytes = bytesOf(version, offset, length);
      for (let index = 0; index < length && offset + index < found.length; index++) {
        if (found[offset + index] === bytes[index])
          expected[offset + index] = bytes[index] as number;
      }
    }
    if (!lengths.includes(found.length)) {
      throw new Error(`${where} has ${found.length} bytes instead of ${lengths.join(' or ')}`);
    }
    if (found.equals(expected)) return;
    const index = found.findIndex((byte, position) => byte !== expected[position]);
    throw new Error(`${where}: byte ${index} is ${found[index]} instead of ${expected[index]}`);
  }

  async #checkSound(isKilled: boolean): Promise<void> {
    const { findings } = await verifyOverlay(this.#overlayPath, baseDiskOf(this.#snapshot));
    const damage = findings.find(({ isDamage }) => isDamage);
    if (damage !== undefined && !isKilled) throw new Error(`the overlay: ${damage.message}`);
  }

  async #readOverlay(): Promise<Buffer> {
    const overlay = openOverlay(this.#snapshot, { path: this.#overlayPath, access: 'read' });
    const found = Buffer.alloc(overlay.length);
    overlay.readInto(0, found);
    await overlay.close();
    return found;
  }
}

/** A process for many rounds. */
class DiskUserProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  /** Resolves when it can be asked. */
  readonly ready: Promise<unknown>;

  constructor({ path, options = [] }: Program) {
    this.#child = fork(path, { execArgv: [...options] });
    this.#exit = once(this.#child, 'exit');
    this.ready = once(this.#child, 'message');
  }

  async perform(task: Task): Promise<Report> {
    const report = once(this.#child, 'message').then(([message]) => message as Report);
    const early = this.#exit.then(() => {
      throw new Error('a process that uses the disk ended');
    });
    this.#child.send(task);
    return Promise.race([report, early]);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

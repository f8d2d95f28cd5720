import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repairOverlay, verifyOverlay } from '../../src/engine/overlay/maintenance.js';
import { isHexzMount, mountAt, readMountTable } from '../../src/engine/process/mountTable.js';
import { unmount } from '../../src/engine/process/unmount.js';
import { openOverlay } from '../../src/engine/volume/openOverlay.js';
import { baseDiskOf } from '../../src/engine/volume/volume.js';
import { HexzError, openSnapshot, type Snapshot } from '../../src/index.js';
import { markedBytes, randomFrom } from '../support/overlay/memoryBase.js';
import type { Random } from '../support/overlay/simulatedFiles.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { runTool } from '../support/tools.js';
import { DiskModel } from './diskModel.js';
import type { LogLine, Operation } from './operations.js';
import { EngineProcess, type Program, runHexz, WriterProcess, within } from './processes.js';

export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Everything lies there. What belongs to an overlay that fails is kept. */
  readonly directory: string;
  readonly hexz: Program;
  readonly writer: Program;
  readonly signal?: AbortSignal;
  readonly onRound?: (result: CrashResult) => void;
}

/** What was done so far. */
export interface CrashResult {
  rounds: number;
  /** Operations that were answered. */
  answered: number;
  /** What the engines were doing when they were killed. */
  readonly killedDuring: Record<Operation['kind'] | 'nothing' | 'start', number>;
  /** Overlays that were damaged, and were mended. */
  repaired: number;
}

const LANES = 2 * availableParallelism();
const ROUNDS_PER_OVERLAY = 10;
const MAX_LIFE_MILLISECONDS = 300;
/** How many engines are killed before they are ready, while they mend what the last one left. */
const KILLED_AT_START_SHARE = 0.15;
const MAX_START_MILLISECONDS = 250;
const LOCK_PATIENCE_MILLISECONDS = 5000;

const BLOCK_BYTES = 64 * 1024;
const BASE_BYTES = 6 * 1024 * 1024 + 1001;
const BASE_MARK = 2;

/**
 * Rounds in which an engine serves a writable mount, a writer uses it, and the engine is killed at a random
 * moment; then the overlay must hold what was answered. Several lanes of them run at a time, each with a
 * writer of its own; each overlay goes through ten rounds, so that what is mended is killed again.
 *
 * @throws Error that says which overlay failed, how, and where its files are
 */
export async function crashRounds(options: CrashOptions): Promise<CrashResult> {
  const result: CrashResult = {
    rounds: 0,
    answered: 0,
    killedDuring: { start: 0, nothing: 0, write: 0, truncate: 0, sync: 0 },
    repaired: 0,
  };
  const snapshotPath = join(options.directory, 'base.hxz');
  const base = makeBase(snapshotPath);
  const snapshot = openSnapshot(snapshotPath);
  const overlayCount = Math.ceil(options.rounds / ROUNDS_PER_OVERLAY);
  const failures: unknown[] = [];
  let nextOverlay = 0;
  const runLane = async () => {
    const writer = new WriterProcess(options.writer);
    try {
      while (nextOverlay < overlayCount && failures.length === 0) {
        const overlayIndex = nextOverlay++;
        const rounds = Math.min(
          ROUNDS_PER_OVERLAY,
          options.rounds - overlayIndex * ROUNDS_PER_OVERLAY,
        );
        options.signal?.throwIfAborted();
        await new OverlayRun(options, result, snapshot, base, writer, overlayIndex).run(rounds);
      }
    } catch (error) {
      failures.push(error);
    } finally {
      writer.end();
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, overlayCount) }, runLane));
  snapshot.close();
  if (failures.length > 0) throw failures[0];
  return result;
}

/** The rounds of one overlay. */
class OverlayRun {
  readonly #options: CrashOptions;
  readonly #result: CrashResult;
  readonly #snapshot: Snapshot;
  readonly #writer: WriterProcess;
  readonly #random: Random;
  readonly #name: string;
  readonly #directory: string;
  readonly #mountpoint: string;
  readonly #overlayPath: string;
  readonly #logPath: string;
  readonly #model = new DiskModel();
  #engine: EngineProcess | undefined;

  constructor(
    options: CrashOptions,
    result: CrashResult,
    snapshot: Snapshot,
    base: Buffer,
    writer: WriterProcess,
    overlayIndex: number,
  ) {
    this.#options = options;
    this.#result = result;
    this.#snapshot = snapshot;
    this.#writer = writer;
    this.#random = randomFrom(options.seed + overlayIndex * 1_000_003);
    this.#name = `overlay ${overlayIndex}`;
    this.#directory = join(options.directory, `overlay-${overlayIndex}`);
    this.#mountpoint = join(this.#directory, 'mount');
    this.#overlayPath = join(this.#directory, 'disk.overlay');
    this.#logPath = join(this.#directory, 'operations.log');
    this.#model.take(base);
  }

  async run(rounds: number): Promise<void> {
    mkdirSync(this.#mountpoint, { recursive: true });
    let round = 0;
    try {
      for (; round < rounds; round++) {
        this.#options.signal?.throwIfAborted();
        if (round > 0 && this.#random() < KILLED_AT_START_SHARE) await this.#killAtStart();
        else await this.#killAtWork(round === 0);
        this.#result.rounds++;
        this.#options.onRound?.(this.#result);
      }
      await this.#endWell();
      await this.#sweep();
      rmSync(this.#directory, { recursive: true });
    } catch (cause) {
      await this.#sweep();
      if (this.#options.signal?.aborted === true) throw cause;
      writeFileSync(join(this.#directory, 'expected-disk'), this.#model.contents);
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${this.#name}, round ${round}: ${message}; see ${this.#directory}`, {
        cause,
      });
    }
  }

  async #killAtStart(): Promise<void> {
    const engine = this.#start();
    await sleep(this.#random() * MAX_START_MILLISECONDS);
    await engine.kill();
    await this.#clearMount();
    this.#result.killedDuring.start++;
    await this.#checkOverlay(undefined);
  }

  async #killAtWork(usesCommands: boolean): Promise<void> {
    const engine = this.#start();
    await engine.untilReady();
    await this.#checkMount();
    const written = this.#writer.write({
      diskPath: join(this.#mountpoint, 'disk'),
      diskLength: this.#model.length,
      seed: Math.floor(this.#random() * 2 ** 31),
      logPath: this.#logPath,
    });
    const life = sleep(this.#random() * MAX_LIFE_MILLISECONDS).then(() => undefined);
    const early = await Promise.race([written, life]);
    if (early !== undefined) throw new Error(`an operation failed with ${early.failure}`);
    await engine.kill();
    engine.expectNoComplaint();
    const { failure } = await written;
    if (!CODES_OF_DEAD_MOUNTS.includes(failure)) {
      throw new Error(`the mount was dead, and an operation failed with ${failure}`);
    }
    if (usesCommands) await this.#hexz('unmount', this.#mountpoint);
    else await this.#clearMount();
    const inFlight = this.#replayLog();
    this.#result.killedDuring[inFlight?.kind ?? 'nothing']++;
    await this.#checkOverlay(inFlight);
    if (!usesCommands) return;
    await this.#hexz('overlay', 'repair', this.#overlayPath);
    await this.#hexz('overlay', 'verify', this.#overlayPath);
    await this.#checkOverlay(undefined);
  }

  /** An end without a kill is one that an overlay survives, too. */
  async #endWell(): Promise<void> {
    const engine = this.#start();
    await engine.untilReady();
    await this.#checkMount();
    await unmount(this.#mountpoint);
    await engine.untilEnded();
    await this.#checkOverlay(undefined);
  }

  #hexz(...parameters: string[]): Promise<void> {
    return runHexz(this.#options.hexz, parameters);
  }

  #start(): EngineProcess {
    const { path } = this.#snapshot;
    const overlay = ['--rw', '--overlay', this.#overlayPath];
    this.#engine = new EngineProcess(this.#options.hexz, [path, this.#mountpoint, ...overlay]);
    return this.#engine;
  }

  /** Through the mount, everything is as it was found after the kill. */
  async #checkMount(): Promise<void> {
    const disk = readFile(join(this.#mountpoint, 'disk'));
    this.#model.check(await within(disk, 'a read of the mount'), undefined);
  }

  /** The overlay holds what was answered, and is sound, or can be mended. */
  async #checkOverlay(inFlight: Operation | undefined): Promise<void> {
    const found = await this.#readOverlay();
    this.#model.check(found, inFlight);
    this.#model.take(found);
    if (await this.#isSound()) return;
    await repairOverlay(this.#overlayPath, baseDiskOf(this.#snapshot));
    this.#result.repaired++;
    if (!(await this.#isSound())) throw new Error('the overlay is damaged after its repair');
    this.#model.check(await this.#readOverlay(), undefined);
  }

  async #isSound(): Promise<boolean> {
    const { findings } = await verifyOverlay(this.#overlayPath, baseDiskOf(this.#snapshot));
    return findings.every(({ isDamage }) => !isDamage);
  }

  async #readOverlay(): Promise<Buffer> {
    const deadline = performance.now() + LOCK_PATIENCE_MILLISECONDS;
    for (;;) {
      try {
        const overlay = openOverlay(this.#snapshot, { path: this.#overlayPath, access: 'read' });
        const found = Buffer.alloc(overlay.length);
        overlay.readInto(0, found);
        await overlay.close();
        return found;
      } catch (error) {
        // What an engine had just started to take the lock may outlive it for a moment.
        const isLocked = error instanceof HexzError && error.code === 'OVERLAY_LOCKED';
        if (!isLocked || performance.now() > deadline) throw error;
        await sleep(5);
      }
    }
  }

  /** Brings the model up to what was answered; returns what was begun and was not. */
  #replayLog(): Operation | undefined {
    let inFlight: Operation | undefined;
    for (const text of readFileSync(this.#logPath, 'utf8').split('\n')) {
      if (text === '') continue;
      const line = JSON.parse(text) as LogLine;
      if ('begun' in line) inFlight = line.begun;
      else if (inFlight !== undefined) {
        const { answered } = line;
        this.#model.apply(inFlight.kind === 'write' ? { ...inFlight, length: answered } : inFlight);
        inFlight = undefined;
        this.#result.answered++;
      }
    }
    return inFlight;
  }

  async #clearMount(): Promise<void> {
    if (this.#isMounted()) await unmount(this.#mountpoint);
  }

  #isMounted(): boolean {
    const mount = mountAt(this.#mountpoint, readMountTable());
    return mount !== undefined && isHexzMount(mount);
  }

  /** Ends engine and mount in whatever state they are. */
  async #sweep(): Promise<void> {
    const killed = this.#engine?.kill();
    // An engine can hang for good in a request to its own mount; only force ends that.
    if (this.#isMounted() && !runTool('umount', '-i', '-f', '-l', this.#mountpoint)) {
      await unmount(this.#mountpoint, { isLazy: true });
    }
    await killed;
  }
}

/** The last one where the engine dies while it takes a request from the kernel, or answers. */
const CODES_OF_DEAD_MOUNTS = ['ENOTCONN', 'ECONNABORTED', 'EIO'];

function makeBase(path: string): Buffer {
  const base = markedBytes(BASE_BYTES, BASE_MARK);
  const writer = new SnapshotWriter(path);
  for (let offset = 0; offset < base.length; offset += BLOCK_BYTES) {
    writer.addData(base.subarray(offset, offset + BLOCK_BYTES));
  }
  writer.finish();
  return base;
}

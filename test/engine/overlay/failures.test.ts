import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HexzCode, HexzError } from '../../../src/index.js';
import { MemoryBase, markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { type Operation, SimulatedFiles } from '../../support/overlay/simulatedFiles.js';
import { SimulatedStage } from '../../support/overlay/stages.js';
import { contentsOf, runs, Session, type Step, stepsOn } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';

const codes = {
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EFBIG: 'DISK_TOO_LARGE',
  EIO: 'OVERLAY_UNUSABLE',
} as const satisfies Record<string, HexzCode>;

const changes: readonly Operation[] = [
  'create',
  'write',
  'truncate',
  'sync',
  'rename',
  'remove',
  'syncDirectory',
];
const others: readonly Operation[] = ['open', 'read', 'lock'];
const lengths: readonly Operation[] = ['length'];

const failures = fc.record({
  code: fc.constantFrom('ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'),
  writtenShare: fc.constantFrom(0, 0.1, 0.5, 0.9),
  isLasting: fc.boolean(),
});

type Failure = typeof failures extends fc.Arbitrary<infer T> ? T : never;

/** Steps during which operations fail; every error must be the right one, and nothing answered be lost. */
class FaultyRun {
  readonly #base: MemoryBase;
  readonly #stage: SimulatedStage;
  readonly #expected: HexzCode;
  #session: Session;

  constructor(base: MemoryBase, files: SimulatedFiles, expected: HexzCode) {
    this.#base = base;
    this.#stage = new SimulatedStage(files);
    this.#expected = expected;
    this.#session = this.#orWithoutFault(() => new Session(this.#stage, this.#base));
  }

  async perform(step: Step): Promise<void> {
    if (step.kind === 'reopen') {
      await this.#reopen();
      return;
    }
    const begun = this.#files.journal.length;
    try {
      await this.#session.perform(step);
    } catch (error) {
      this.#expectCode(error);
      this.#files.withoutFault(() => this.#session.failed(step, begun));
    }
    this.#files.withoutFault(() => this.#session.expectContents());
  }

  /** Closes, kills or cuts the power; then everything must be there that was answered or confirmed. */
  async end(how: 'close' | 'kill' | 'powerCut', seed: number): Promise<void> {
    this.#files.endFault();
    if (how === 'close') {
      await this.#reopen();
      await this.#session.close();
      return;
    }
    const moment = this.#files.journal.length;
    const files =
      how === 'kill'
        ? this.#files.killedAfter(moment)
        : this.#files.powerCutAfter(moment, randomFrom(seed));
    const bootId = how === 'kill' ? 'first' : 'second';
    const next = new Session(new SimulatedStage(files), this.#base, { bootId, seed: 1000 });
    const found = contentsOf(next.overlay);
    if (how === 'kill') this.#expectAnswered(found, await this.#acceptsChanges());
    else this.#session.history.expectAfterPowerCut(found, Number.POSITIVE_INFINITY);
    await next.goOn([{ kind: 'write', offset: 10, length: 100 }]);
  }

  get #files(): SimulatedFiles {
    return this.#stage.files;
  }

  /** Whether the overlay still takes changes; a write of nothing changes nothing. */
  async #acceptsChanges(): Promise<boolean> {
    try {
      await this.#session.perform({ kind: 'write', offset: 0, length: 0 });
      return true;
    } catch (error) {
      this.#expectCode(error);
      return false;
    }
  }

  async #reopen(): Promise<void> {
    const accepts = await this.#acceptsChanges();
    await this.#closeSomehow();
    this.#orWithoutFault(() => this.#session.open());
    const found = this.#files.withoutFault(() => contentsOf(this.#session.overlay));
    this.#expectAnswered(found, accepts);
    this.#session.history.found(found, this.#files.journal.length);
  }

  /** An overlay that refuses changes may hold some of what failed, when it is opened again. */
  #expectAnswered(found: Buffer, acceptsChanges: boolean): void {
    const { history } = this.#session;
    if (acceptsChanges) expectSameBytes(found, history.contents);
    else history.expectAfterFailures(found);
  }

  async #closeSomehow(): Promise<void> {
    try {
      await this.#session.close();
    } catch (error) {
      this.#expectCode(error);
    }
    expect(this.#files.openCount).toBe(0);
  }

  #orWithoutFault<T>(open: () => T): T {
    try {
      return open();
    } catch (error) {
      this.#expectCode(error);
      expect(this.#files.openCount).toBe(0);
      this.#files.endFault();
      return open();
    }
  }

  #expectCode(error: unknown): void {
    if (!(error instanceof HexzError)) throw error;
    if (error.code !== this.#expected) throw error;
  }
}

async function failAtEach(
  base: MemoryBase,
  steps: readonly Step[],
  operations: readonly Operation[],
  failure: Failure,
  seed: number,
): Promise<void> {
  const random = randomFrom(seed);
  for (let after = 0; ; after++) {
    const files = new SimulatedFiles();
    files.failNext({ ...failure, operations, after });
    const run = new FaultyRun(base, files, codes[failure.code as keyof typeof codes]);
    for (const step of steps) await run.perform(step);
    const hasHappened = files.endFault();
    const ends = ['close', 'kill', 'powerCut'] as const;
    await run.end(ends[Math.floor(random() * ends.length)] ?? 'close', seed);
    if (!hasHappened) return;
  }
}

describe.each([0, 150, 10_000])('over a base of %i bytes', (length) => {
  const base = new MemoryBase(markedBytes(length, 0));
  const weights = { write: 6, restore: 1, truncate: 2, sync: 2, compact: 1, drop: 1, reopen: 1 };
  const steps = stepsOn(length, length + 12_000, weights, 10);

  test.each([
    ['a change of the files', changes],
    ['opening, locking or reading', others],
    ['asking for a length', lengths],
  ])('an overlay for which %s fails says so and loses nothing', async (_name, operations) => {
    await fc.assert(
      fc.asyncProperty(steps, failures, fc.nat(), (list, failure, seed) =>
        failAtEach(base, list, operations, failure, seed),
      ),
      runs(25, length),
    );
  });
});

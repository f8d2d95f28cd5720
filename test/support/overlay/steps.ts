import fc from 'fast-check';
import { DirtyPages } from '../../../src/engine/overlay/dirtyPages.js';
import type { OverlayFiles } from '../../../src/engine/overlay/files.js';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { expectSameBytes } from '../streams.js';
import { DiskHistory, expectPartOfWrite, withLength, withWrite } from './diskHistory.js';
import { type MemoryBase, markedBytes } from './memoryBase.js';

/** One thing that is done to an overlay. */
export type Step =
  | { readonly kind: 'write'; readonly offset: number; readonly length: number }
  /** Writes what the base has there. */
  | { readonly kind: 'restore'; readonly offset: number; readonly length: number }
  | { readonly kind: 'read'; readonly offset: number; readonly length: number }
  | { readonly kind: 'truncate'; readonly length: number }
  | { readonly kind: 'sync' }
  /** Begins a sync and does not wait for it. */
  | { readonly kind: 'beginSync' }
  /** Lets a sync that began come a little further. */
  | { readonly kind: 'pause' }
  /** Drops the pages that hold what the base has. */
  | { readonly kind: 'compact' }
  /** Makes pages clean, whatever they hold. */
  | { readonly kind: 'drop'; readonly pageIndex: number; readonly pageCount: number }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'kill' };

type Weights = Partial<Readonly<Record<Step['kind'], number>>>;

/** Lists of steps on a disk of about `reach` bytes, with an eye for the edges of pages and of the base. */
export function stepsOn(
  baseLength: number,
  reach: number,
  weights: Weights,
  maxLength: number,
): fc.Arbitrary<Step[]> {
  const around = (offset: number): fc.Arbitrary<number> =>
    fc.integer({ min: -3, max: 3 }).map((distance) => Math.max(0, offset + distance));
  const offset = fc.oneof(
    fc.nat(reach),
    fc.nat(Math.ceil(reach / 4096)).chain((page) => around(page * 4096)),
    around(baseLength),
  );
  const length = fc.oneof(
    fc.constantFrom(0, 1, 8, 512, 4096, 8192),
    fc.nat(50),
    fc.nat(Math.ceil(reach / 2)),
  );
  const arbitraries: Readonly<Record<Step['kind'], fc.Arbitrary<Step>>> = {
    write: fc.record({ kind: fc.constant('write'), offset, length }),
    restore: fc.record({ kind: fc.constant('restore'), offset, length }),
    read: fc.record({ kind: fc.constant('read'), offset, length }),
    truncate: fc.record({ kind: fc.constant('truncate'), length: offset }),
    sync: fc.constant({ kind: 'sync' }),
    beginSync: fc.constant({ kind: 'beginSync' }),
    pause: fc.constant({ kind: 'pause' }),
    compact: fc.constant({ kind: 'compact' }),
    drop: fc.record({
      kind: fc.constant('drop'),
      pageIndex: fc.nat(Math.ceil(reach / 4096)),
      pageCount: fc.integer({ min: 1, max: 4 }),
    }),
    reopen: fc.constant({ kind: 'reopen' }),
    kill: fc.constant({ kind: 'kill' }),
  };
  const weighted = Object.entries(weights).map(([kind, weight]) => ({
    weight,
    arbitrary: arbitraries[kind as Step['kind']],
  }));
  return fc.array(fc.oneof(...weighted), { minLength: 1, maxLength, size: 'max' });
}

/** How often a property is tried, the same way each time; one that fails is not made smaller for ever. */
export const runs = (numRuns: number, seed: number) =>
  ({ numRuns, seed, interruptAfterTimeLimit: 20_000 }) as const;

/** Where the files of a session are. */
export interface Stage {
  readonly files: OverlayFiles;
  /** How much was changed so far. */
  changeCount(): number;
  /** Ends whatever has files open, without a word to it. */
  kill(): Promise<void>;
}

export const OVERLAY_PATH = '/disk.overlay';

/** An overlay on which steps are done, beside what it must hold. */
export class Session {
  readonly base: MemoryBase;
  history: DiskHistory;
  readonly #stage: Stage;
  readonly #path: string;
  readonly #bootId: string;
  #overlay: Overlay;
  #pending: Promise<void>[] = [];
  #seed = 1;
  #lastWrite: Buffer = Buffer.alloc(0);
  #lastDropped: Buffer = Buffer.alloc(0);

  constructor(stage: Stage, base: MemoryBase, options: SessionOptions = {}) {
    this.#stage = stage;
    this.#path = options.path ?? OVERLAY_PATH;
    this.base = base;
    this.#bootId = options.bootId ?? 'first';
    this.history = new DiskHistory(base.bytes);
    this.#seed = options.seed ?? 1;
    this.#overlay = this.#open();
  }

  get overlay(): Overlay {
    return this.#overlay;
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.perform(step);
  }

  /** Takes what the disk holds for what it must hold; answers that. */
  takeOver(): Buffer {
    const found = contentsOf(this.#overlay);
    this.history = new DiskHistory(found);
    return found;
  }

  /** Goes on after a crash: takes what was found, does steps on it, opens it once more, and closes. */
  async goOn(steps: readonly Step[]): Promise<void> {
    this.takeOver();
    await this.run([...steps, { kind: 'reopen' }]);
    await this.close();
  }

  async perform(step: Step): Promise<void> {
    const { history } = this;
    const begun = this.#stage.changeCount();
    switch (step.kind) {
      case 'write':
      case 'restore': {
        const bytes = this.#bytesOf(step);
        this.#lastWrite = bytes;
        this.#overlay.write(step.offset, bytes);
        history.wrote(bytes, step.offset, begun, this.#stage.changeCount());
        break;
      }
      case 'read': {
        const target = Buffer.alloc(step.length, 0xa5);
        const count = this.#overlay.readInto(step.offset, target);
        const expected = history.contents.subarray(step.offset, step.offset + step.length);
        expectSameBytes(target.subarray(0, count), expected);
        break;
      }
      case 'truncate':
        this.#overlay.truncate(step.length);
        history.truncated(step.length, begun, this.#stage.changeCount());
        break;
      case 'sync':
        await this.#sync();
        break;
      case 'beginSync':
        this.#pending.push(this.#sync());
        break;
      case 'pause':
        await new Promise((resolve) => setImmediate(resolve));
        break;
      case 'compact':
        // Only a command does that, and it does nothing else meanwhile.
        await Promise.all(this.#pending);
        this.#compact();
        break;
      case 'drop': {
        const { pageIndex, pageCount } = step;
        if (this.#overlay.firstDirtyPage(pageIndex, pageIndex + pageCount) === undefined) break;
        const contents = this.#withoutDirty(step);
        this.#lastDropped = contents;
        await this.#overlay.drop([step]);
        history.dropped(contents, begun, this.#stage.changeCount());
        break;
      }
      case 'reopen':
        await this.close();
        this.open();
        this.expectContents();
        break;
      case 'kill':
        for (const sync of this.#pending) sync.catch(() => {});
        this.#pending = [];
        await this.#stage.kill();
        this.open();
        this.expectContents();
        break;
    }
  }

  /** Takes note of a step that failed: of a write any part may have happened, else all or nothing. */
  failed(step: Step, begun: number): void {
    const { history } = this;
    const before = history.contents;
    const found = contentsOf(this.#overlay);
    const moment = this.#stage.changeCount();
    if (step.kind === 'write' || step.kind === 'restore') {
      const wanted = withWrite(before, this.#lastWrite, step.offset);
      expectPartOfWrite(found, before, wanted);
      history.failed(wanted, found, begun, moment);
    } else if (step.kind === 'truncate') {
      const wanted = withLength(before, step.length);
      expectSameBytes(found, found.length === wanted.length ? wanted : before);
      history.failed(wanted, found, begun, moment);
    } else if (step.kind === 'drop') {
      const wanted = this.#lastDropped;
      expectSameBytes(found, found.equals(wanted) ? wanted : before);
      history.failed(wanted, found, begun, moment);
    } else {
      expectSameBytes(found, before);
    }
  }

  /** Opens the overlay that was closed. */
  open(): void {
    this.#overlay = this.#open();
  }

  async close(): Promise<void> {
    const { stateCount } = this.history;
    const pending = this.#pending;
    this.#pending = [];
    await this.#overlay.close();
    await Promise.all(pending);
    this.history.confirmed(stateCount, this.#stage.changeCount());
  }

  /** Fails unless the overlay holds what it must, and says so in every way. */
  expectContents(): void {
    expectSameBytes(contentsOf(this.#overlay), this.history.contents);
    expectSoundExtents(this.#overlay);
  }

  #bytesOf(step: Extract<Step, { kind: 'write' | 'restore' }>): Buffer {
    if (step.kind === 'write') return markedBytes(step.length, this.#seed++);
    return withLength(this.base.bytes.subarray(step.offset), step.length);
  }

  /** What the disk holds where these pages are clean. */
  #withoutDirty({ pageIndex, pageCount }: Extract<Step, { kind: 'drop' }>): Buffer {
    const contents = Buffer.from(this.history.contents);
    const shown = this.base.bytes.subarray(0, this.#overlay.shownBaseLength);
    const clean = withLength(shown, contents.length);
    for (let page = pageIndex; page < pageIndex + pageCount; page++) {
      if (!this.#overlay.isDirty(page)) continue;
      const [start, end] = [page * 4096, (page + 1) * 4096];
      clean.subarray(start, end).copy(contents, start);
    }
    return contents;
  }

  #compact(): void {
    const kept = new DirtyPages();
    for (const { pageIndex, pageCount } of this.#overlay.extents()) {
      for (let page = pageIndex; page < pageIndex + pageCount; page++) {
        if (!this.#overlay.equalsBase(page)) kept.add(page);
      }
    }
    this.#overlay.keepOnly(kept);
  }

  async #sync(): Promise<void> {
    const { stateCount } = this.history;
    const overlay = this.#overlay;
    await overlay.sync();
    // Nobody hears what is answered to a process that was killed.
    if (overlay !== this.#overlay) return;
    this.history.confirmed(stateCount, this.#stage.changeCount());
  }

  #open(): Overlay {
    return Overlay.open(
      { path: this.#path, base: this.base, access: 'write' },
      { files: this.#stage.files, bootId: this.#bootId },
    );
  }
}

interface SessionOptions {
  readonly path?: string;
  readonly bootId?: string;
  /** Different sessions on one overlay write different bytes. */
  readonly seed?: number;
}

export function contentsOf(overlay: Pick<Overlay, 'length' | 'readInto'>): Buffer {
  const bytes = Buffer.alloc(overlay.length + 1, 0xa5);
  return bytes.subarray(0, overlay.readInto(0, bytes));
}

function expectSoundExtents(overlay: Overlay): void {
  let count = 0;
  let end = -1;
  for (const { pageIndex, pageCount } of overlay.extents()) {
    if (pageIndex <= end) throw new Error(`the extent at page ${pageIndex} touches the one before`);
    end = pageIndex + pageCount;
    count += pageCount;
    const isRun = overlay.isDirty(pageIndex) && overlay.isDirty(end - 1) && !overlay.isDirty(end);
    if (!isRun) throw new Error(`pages ${pageIndex} to ${end} are no run of dirty pages`);
  }
  if (count !== overlay.dirtyPageCount) {
    throw new Error(`extents of ${count} pages instead of ${overlay.dirtyPageCount}`);
  }
}

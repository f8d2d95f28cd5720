import { sharedCall } from '../control/sharedCall.js';
import { HexzError } from '../errors.js';
import type { ChangeGate } from '../fuse/changeGate.js';
import type { Extent } from '../overlay/dirtyPages.js';
import type { SharedFrozenInstant } from '../overlay/frozenInstant.js';
import type { Overlay } from '../overlay/overlay.js';
import { inSlices, type Steps } from '../slices.js';
import { PageEvictor } from './evictPages.js';
import type { LiveMount } from './liveMount.js';
import type { Resources } from './resources.js';

/** Is written without a look at requests that wait. */
const WRITE_STEP_BYTES = 64 * 1024;

/**
 * What watchers have done to a running overlay, other than through its mount.
 *
 * The kernel keeps bytes of the mounted disk, and so do those who use it in certain ways. So before the disk is changed
 * behind their back it is made sure that there are none of the latter; then requests that change it are held, it is
 * changed, the kernel's pages are dropped, and requests go on. A read in between is answered with the new bytes or the
 * old ones, and what the kernel keeps of it is dropped.
 *
 * State: the instants that jobs read, and changes that are held, until they are released.
 */
export class LiveChanges {
  readonly #resources: Resources;
  readonly #gate: ChangeGate;
  readonly #mount: () => LiveMount | undefined;
  readonly #writerCount: () => number;
  /** What gives each of them back. */
  readonly #releases = new Map<number, () => void>();
  #lastNumber = 0;
  /** Of the mount that there was at the last change. */
  #evictor: PageEvictor | undefined;

  /**
   * @param mount the one that there is at the moment
   * @param writerCount how many NBD clients can write the disk
   */
  constructor(
    resources: Resources,
    gate: ChangeGate,
    mount: () => LiveMount | undefined,
    writerCount: () => number,
  ) {
    this.#writerCount = writerCount;
    this.#resources = resources;
    this.#gate = gate;
    this.#mount = mount;
  }

  /**
   * Keeps the disk as it is now.
   *
   * @throws HexzError NO_OVERLAY, and as `Overlay.freeze`
   */
  async freeze(): Promise<{ readonly instant: number; readonly shared: SharedFrozenInstant }> {
    const frozen = await this.#overlay.freeze();
    return { instant: this.#add(() => frozen.release()), shared: frozen.shared };
  }

  /** Holds requests of the mount that change the disk. */
  hold(): number {
    return this.#add(this.#gate.hold());
  }

  /** Gives an instant back, or lets changes go on. */
  release(number: number): void {
    this.#releases.get(number)?.();
    this.#releases.delete(number);
  }

  /**
   * Writes within the disk.
   *
   * @throws HexzError NO_OVERLAY, READ_ONLY, USAGE behind its end, DISK_IN_USE, EVICTION_FAILED; as `Overlay.write`
   */
  async write(offset: number, bytes: Uint8Array, force: boolean): Promise<void> {
    if (offset + bytes.length > this.#overlay.length) {
      throw new HexzError('USAGE', 'what is written must lie within the disk', {
        location: { stream: 'disk', offset },
      });
    }
    await this.#change(force, () => inSlices(this.#writeSteps(offset, Buffer.from(bytes))));
  }

  /**
   * Takes pages out of the overlay; the base shows in their place.
   *
   * @returns how many of them were dirty
   * @throws HexzError NO_OVERLAY, READ_ONLY, DISK_IN_USE, EVICTION_FAILED; as `Overlay.drop`
   */
  drop(runs: readonly Extent[], force: boolean): Promise<number> {
    const overlay = this.#overlay;
    return this.#change(force, async () => {
      const before = overlay.dirtyPageCount;
      await overlay.drop(runs);
      return before - overlay.dirtyPageCount;
    });
  }

  /**
   * When it resolves, programs see in the mount what others have written to the disk.
   *
   * @returns undefined without a mount
   * @throws HexzError EVICTION_FAILED
   */
  show(): Promise<void> | undefined {
    return this.#mount()?.diskPath === undefined ? undefined : this.#showing();
  }

  readonly #showing = sharedCall(async () => {
    const diskPath = this.#mount()?.diskPath;
    if (diskPath !== undefined) await this.#evictorOf(diskPath).evict();
  });

  /** Nobody is left who needs any of them. */
  close(): void {
    for (const number of [...this.#releases.keys()]) this.release(number);
    this.#evictor?.close();
    this.#evictor = undefined;
  }

  *#writeSteps(offset: number, bytes: Buffer): Steps<void> {
    for (let at = 0; at < bytes.length; at += WRITE_STEP_BYTES) {
      this.#resources.volume.write(offset + at, bytes.subarray(at, at + WRITE_STEP_BYTES));
      yield;
    }
  }

  #add(release: () => void): number {
    this.#releases.set(++this.#lastNumber, release);
    return this.#lastNumber;
  }

  get #overlay(): Overlay {
    const { overlay, snapshot } = this.#resources;
    if (overlay !== undefined) return overlay;
    throw new HexzError('NO_OVERLAY', 'there is no overlay that could be changed', {
      location: { file: snapshot.path },
      hint: 'mount it with --rw',
    });
  }

  #evictorOf(path: string): PageEvictor {
    if (this.#evictor?.path === path) return this.#evictor;
    this.#evictor?.close();
    this.#evictor = new PageEvictor(path);
    return this.#evictor;
  }

  async #change<Result>(force: boolean, change: () => Result | Promise<Result>): Promise<Result> {
    const mount = this.#mount();
    const release = this.#gate.hold();
    try {
      if (!force) {
        checkNoClients(this.#writerCount());
        await mount?.checkUnused();
      }
      try {
        return await change();
      } finally {
        // Also what was changed before it failed is to be seen.
        if (mount?.diskPath !== undefined) await this.#evictorOf(mount.diskPath).evict();
      }
    } finally {
      release();
    }
  }
}

/** What an NBD client keeps of the disk, only he knows. */
function checkNoClients(count: number): void {
  if (count === 0) return;
  throw new HexzError(
    'DISK_IN_USE',
    `NBD clients can write the disk, and may keep bytes of it: ${count}`,
    {
      hint: 'disconnect them, or use --force',
    },
  );
}

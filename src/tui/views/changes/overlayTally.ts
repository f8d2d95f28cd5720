import type { EngineClient } from '../../../repl/client.js';
import { PAGE_BYTES, type PageRange } from '../../../repl/language/pages.js';
import { Pace } from '../../model/pace.js';
import { endPageOf } from './pageRuns.js';
import type { RunWindowOptions } from './runWindow.js';
import type { PageSpan } from './writes.js';

const MAX_CELLS = 2048;
/** Of each tick, what may be spent on asking. */
const BUDGET_MS = 40;
/** While other views are shown, it rests at least so long between. */
const UNSEEN_REST_MS = 500;

const UNKNOWN = -1;

const KNOWN = 0;
const LACKING = 1;
const ASKED = 2;

/** What is said of a part that has as many pages as the whole. */
const MOST = 0.99;

/** What is known of the whole overlay. */
export interface OverlayTotals {
  readonly extents: number;
  /** Whether there are no more than these. */
  readonly isListed: boolean;
  /** Of the part that was compared. */
  readonly differentBytes: number;
  /** How much of what is dirty was compared, 0 to 1. */
  readonly comparedShare: number;
}

/**
 * Sums over the whole overlay, and how dirty each part of the disk is: found out bit by bit while somebody looks.
 *
 * The disk is cut into at most MAX_CELLS cells of pages that are equally long. A cell is listed first, then, where it
 * is dirty, compared; when it is written, both are to be done again.
 *
 *   of a cell     unknown    its state
 *   `#pages`      UNKNOWN    `#listing`: KNOWN, LACKING (also what is known, but of earlier pages), ASKED
 *   `#different`  UNKNOWN    `#comparing`: the same
 *
 * Invariant: what is written while it is ASKED is LACKING again, so that the answer does not count as the last.
 */
export class OverlayTally {
  readonly #client: EngineClient;
  readonly #options: RunWindowOptions;
  readonly #pace = new Pace({ factor: 1, leastMs: 0 });
  #diskPages = 0;
  #cellPages = 1;
  #pages = new Float64Array();
  #extents = new Float64Array();
  /** Whether the first page of a cell continues an extent of the cell before. */
  #continued = new Uint8Array();
  #different = new Float64Array();
  #listing = new Uint8Array();
  #comparing = new Uint8Array();
  #isAsking = false;
  #askedAt = 0;
  #totals: OverlayTotals | undefined;

  constructor(client: EngineClient, options: RunWindowOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Dirty pages of each cell; UNKNOWN, which is negative, where nobody has looked yet. */
  get cells(): Float64Array {
    return this.#pages;
  }

  get cellPages(): number {
    return this.#cellPages;
  }

  get totals(): OverlayTotals {
    this.#totals ??= this.#sum();
    return this.#totals;
  }

  written(spans: readonly PageSpan[]): void {
    for (const { start, end } of spans) {
      const first = Math.floor(start / this.#cellPages);
      const last = Math.min(this.#pages.length, Math.ceil(end / this.#cellPages));
      this.#listing.fill(LACKING, first, last);
      this.#comparing.fill(LACKING, first, last);
    }
    this.#totals = undefined;
  }

  stale(): void {
    this.written([{ start: 0, end: this.#diskPages }]);
  }

  /** Goes on with what somebody has looked at once, although another view is shown. */
  goOn(diskLength: number): void {
    if (this.#diskPages === 0) return;
    const restMs = this.#askedAt + UNSEEN_REST_MS - performance.now();
    if (restMs <= 0) this.look(diskLength);
    else if (!this.#isAsking && this.#lacks) this.#options.changedIn(restMs);
  }

  /** Says that somebody looks. Asks for what lacks. */
  look(diskLength: number): void {
    const diskPages = Math.ceil(diskLength / PAGE_BYTES);
    if (diskPages !== this.#diskPages) this.#begin(diskPages);
    if (this.#isAsking || !this.#lacks) return;
    const { restMs } = this.#pace;
    if (restMs > 0) this.#options.changedIn(restMs);
    else void this.#ask();
  }

  #begin(diskPages: number): void {
    this.#diskPages = diskPages;
    this.#cellPages = Math.max(1, Math.ceil(diskPages / MAX_CELLS));
    const count = Math.ceil(diskPages / this.#cellPages);
    this.#pages = new Float64Array(count).fill(UNKNOWN);
    this.#extents = new Float64Array(count);
    this.#continued = new Uint8Array(count);
    this.#different = new Float64Array(count).fill(UNKNOWN);
    this.#listing = new Uint8Array(count).fill(LACKING);
    this.#comparing = new Uint8Array(count).fill(LACKING);
    this.#totals = undefined;
  }

  get #lacks(): boolean {
    return this.#listing.includes(LACKING) || this.#nextToCompare() !== -1;
  }

  #nextToCompare(): number {
    let cell = this.#comparing.indexOf(LACKING);
    // What is clean needs no look.
    while (cell !== -1 && this.#pages[cell] === 0) {
      this.#comparing[cell] = KNOWN;
      this.#different[cell] = 0;
      cell = this.#comparing.indexOf(LACKING, cell + 1);
    }
    return cell;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const pages = this.#pages;
    const endAt = performance.now() + BUDGET_MS;
    this.#pace.begin();
    try {
      // A disk of another length has other cells.
      while (performance.now() < endAt && pages === this.#pages) {
        const unlisted = this.#listing.indexOf(LACKING);
        const uncompared = unlisted === -1 ? this.#nextToCompare() : -1;
        if (unlisted !== -1) await this.#list(unlisted);
        else if (uncompared !== -1) await this.#compare(uncompared);
        else break;
      }
    } catch (error) {
      this.stale();
      this.#pace.failed(error);
      this.#options.fail(error);
    }
    this.#isAsking = false;
    this.#totals = undefined;
    this.#pace.end();
    this.#askedAt = performance.now();
    this.#options.changedIn(0);
  }

  /** Lists cells from one on, as far as they are all to be listed and one answer reaches. */
  async #list(firstCell: number): Promise<void> {
    const all = this.#pages;
    const known = this.#listing.indexOf(KNOWN, firstCell);
    const endCell = known === -1 ? this.#listing.length : known;
    const pages = new Float64Array(endCell - firstCell);
    const extents = new Float64Array(endCell - firstCell);
    const continued = new Uint8Array(endCell - firstCell);
    const startPage = firstCell * this.#cellPages;
    const endPage = endCell * this.#cellPages;
    this.#listing.fill(ASKED, firstCell, endCell);
    let from: number | null = Math.max(0, startPage - 1);
    do {
      const answer: { extents: readonly PageRange[]; nextPage: number | null } =
        await this.#client.request('dirty', { fromPage: from });
      for (const extent of answer.extents) {
        this.#add(extent, firstCell, endCell, { pages, extents, continued });
      }
      from = answer.nextPage;
      if (this.#pages !== all) return;
      // One cell at least, and as many more as the answer holds.
    } while (from !== null && from < startPage + this.#cellPages);
    const listedTo = Math.min(from ?? endPage, endPage);
    const listed = Math.floor((listedTo - startPage) / this.#cellPages);
    this.#listing.fill(LACKING, firstCell + listed, endCell);
    for (let cell = firstCell; cell < firstCell + listed; cell++) {
      if (this.#listing[cell] === ASKED) this.#listing[cell] = KNOWN;
    }
    this.#pages.set(pages.subarray(0, listed), firstCell);
    this.#extents.set(extents.subarray(0, listed), firstCell);
    this.#continued.set(continued.subarray(0, listed), firstCell);
  }

  #add(
    extent: PageRange,
    firstCell: number,
    endCell: number,
    into: { pages: Float64Array; extents: Float64Array; continued: Uint8Array },
  ): void {
    const end = endPageOf(extent);
    const first = Math.floor(extent.pageIndex / this.#cellPages);
    const last = Math.min(endCell - 1, Math.floor((end - 1) / this.#cellPages));
    for (let cell = Math.max(first, firstCell); cell <= last; cell++) {
      const index = cell - firstCell;
      const startPage = cell * this.#cellPages;
      const covered =
        Math.min(end, startPage + this.#cellPages) - Math.max(extent.pageIndex, startPage);
      into.pages[index] = (into.pages[index] ?? 0) + covered;
      into.extents[index] = (into.extents[index] ?? 0) + 1;
      if (extent.pageIndex < startPage) into.continued[index] = 1;
    }
  }

  async #compare(cell: number): Promise<void> {
    const states = this.#comparing;
    const all = this.#different;
    states[cell] = ASKED;
    const length = this.#cellPages * PAGE_BYTES;
    const { differentBytes, newBytes } = await this.#client.request('diff', {
      offset: cell * length,
      length,
    });
    all[cell] = differentBytes + newBytes;
    if (states[cell] === ASKED) states[cell] = KNOWN;
  }

  #sum(): OverlayTotals {
    let extents = 0;
    let differentBytes = 0;
    let dirtyPages = 0;
    let comparedPages = 0;
    let isListed = true;
    let isWhole = true;
    this.#pages.forEach((pages, cell) => {
      if (this.#listing[cell] !== KNOWN) isListed = false;
      dirtyPages += Math.max(0, pages);
      extents += (this.#extents[cell] ?? 0) - (this.#continued[cell] ?? 0);
      differentBytes += Math.max(0, this.#different[cell] ?? 0);
      const lacks =
        this.#listing[cell] !== KNOWN || (this.#comparing[cell] !== KNOWN && pages !== 0);
      if (lacks) isWhole = false;
      else comparedPages += pages;
    });
    return {
      extents,
      isListed,
      differentBytes,
      comparedShare: isWhole ? 1 : Math.min(MOST, comparedPages / Math.max(1, dirtyPages)),
    };
  }
}

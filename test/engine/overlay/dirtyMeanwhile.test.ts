import { expect, test } from 'vitest';
import { DirtyPages } from '../../../src/engine/overlay/dirtyPages.js';
import { MergedDisk } from '../../../src/engine/overlay/mergedDisk.js';
import { MemoryBase } from '../../support/overlay/memoryBase.js';
import { expectSameBytes } from '../../support/streams.js';

const PAGE = 4096;

/** Dirty pages of which another thread makes one more dirty, just after somebody has been told that it is clean. */
class PagesOfAnother extends DirtyPages {
  readonly #next: number;

  constructor(next: number) {
    super();
    this.#next = next;
  }

  override has(pageIndex: number): boolean {
    const isDirty = super.has(pageIndex);
    if (pageIndex === this.#next && !isDirty) this.#turn();
    return isDirty;
  }

  #turn(): void {
    const other = DirtyPages.attach(this.share());
    other.add(this.#next);
  }
}

/** Pages 2 and 3 of six are dirty, and another one becomes it. */
class Disk extends MergedDisk {
  readonly path = '/disk.overlay';
  readonly length = 6 * PAGE;
  protected readonly lowestTruncation = Number.POSITIVE_INFINITY;
  protected readonly base = new MemoryBase(Buffer.alloc(6 * PAGE, 1));
  protected readonly pages: DirtyPages;

  constructor(next: number) {
    super();
    this.pages = new PagesOfAnother(next);
    for (const page of [2, 3]) this.pages.add(page);
  }

  protected readDirty(_offset: number, target: Buffer): void {
    target.fill(2);
  }
}

test('a page that becomes dirty while it is read hides no other one', () => {
  const bytes = Buffer.alloc(3 * PAGE);
  new Disk(1).readInto(PAGE, bytes);
  expectSameBytes(bytes.subarray(PAGE), Buffer.alloc(2 * PAGE, 2));
});

test('a page that becomes dirty while the first dirty one is looked for hides no other one', () => {
  expect(new Disk(1).firstDirtyPage(1, 6)).toBe(2);
});

test('a page that becomes dirty while extents are listed makes no clean page dirty', () => {
  const pages = [...new Disk(0).extents()].flatMap(({ pageIndex, pageCount }) =>
    Array.from({ length: pageCount }, (_, page) => pageIndex + page),
  );
  expect(pages.filter((page) => page !== 0)).toEqual([2, 3]);
});

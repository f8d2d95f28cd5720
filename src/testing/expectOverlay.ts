import type { WireDifference, WireExtent } from '../engine/control/protocol/inspection.js';
import { type Changes, type ComparedMount, changesIn } from './changes.js';
import { countOf, failure, rangeText } from './failure.js';
import type { TestMount } from './testMount.js';

/** What can be said of an overlay; each throws an AssertionError where it does not hold. */
export interface OverlayExpectation {
  /** It holds no page, and the disk has the length that its base has. */
  toBeClean(): Promise<void>;
  /** It holds so many 4 KiB pages, or exactly these. A page that was written and holds what it held is dirty, too. */
  toHaveDirtyPages(pages: number | readonly number[]): Promise<void>;
  /** At least one byte of these differs from the base, or lies behind its end. Without them, of the whole disk. */
  toHaveChanged(offset?: number, length?: number): Promise<void>;
  /** As `toHaveChanged`, and no byte outside of these; the disk may only have grown by them. */
  toHaveChangedOnly(offset: number, length: number): Promise<void>;
  /** No byte of these differs from the base, dirty or not. Without them, of the whole disk, and its length. */
  toEqualBase(offset?: number, length?: number): Promise<void>;
}

/** What the overlay of a mount is expected to hold. */
export const expectOverlay = (
  mount: ComparedMount & Pick<TestMount, 'dirty'>,
): OverlayExpectation => ({
  async toBeClean() {
    const { extents, dirtyPages } = await mount.dirty();
    if (dirtyPages > 0) {
      const pages = `${countOf(dirtyPages, 'page')} ${dirtyPages === 1 ? 'is' : 'are'} dirty`;
      throw failure(`expected a clean overlay, but ${pages}:`, extents.map(extentText));
    }
    const changes = await changesIn(mount);
    if (changes.differences.length === 0) return;
    throw failure('expected a clean overlay, but the disk was changed:', detailsOf(changes));
  },

  async toHaveDirtyPages(expected) {
    const { extents, dirtyPages } = await mount.dirty();
    if (typeof expected === 'number') {
      if (dirtyPages === expected) return;
      throw failure(
        `expected ${countOf(expected, 'dirty page')}, got ${dirtyPages}:`,
        extents.map(extentText),
        { actual: dirtyPages, expected },
      );
    }
    const wanted = [...new Set(expected)].sort((a, b) => a - b);
    const missing = wanted.filter((page) => !extents.some((extent) => holds(extent, page)));
    if (missing.length === 0 && dirtyPages === wanted.length) return;
    const details = [
      ...missing.map((page) => `page ${page} is not dirty`),
      ...extents.flatMap((extent) => unexpectedIn(extent, wanted)),
    ];
    throw failure('expected other dirty pages:', details);
  },

  async toHaveChanged(offset, length) {
    if ((await changesIn(mount, offset, length)).differences.length > 0) return;
    throw failure(`expected a change ${placeText(offset, length)}, but it equals the base`);
  },

  async toHaveChangedOnly(offset, length) {
    await this.toHaveChanged(offset, length);
    const before = await changesIn(mount, 0, offset);
    const behind = await changesIn(mount, offset + length);
    const details = [...detailsOf(before), ...detailsOf(behind)];
    if (details.length === 0) return;
    const place = placeText(offset, length);
    throw failure(`expected no change but ${place}, and there is more:`, details);
  },

  async toEqualBase(offset, length) {
    const changes = await changesIn(mount, offset, length);
    if (changes.differences.length === 0) return;
    const sum = (total: number, one: WireDifference): number =>
      total + one.differentBytes + one.newBytes;
    const bytes = changes.differences.reduce(sum, 0);
    const differ = `${countOf(bytes, 'byte')} ${bytes === 1 ? 'differs' : 'differ'}`;
    const what = bytes === 0 ? 'the disk has another length' : differ;
    const place = placeText(offset, length);
    throw failure(`expected the base's bytes ${place}, but ${what}:`, detailsOf(changes));
  },
});

const placeText = (offset = 0, length?: number): string =>
  length === undefined ? `from 0x${offset.toString(16)} on` : `at ${rangeText(offset, length)}`;

const detailsOf = ({ differences, lengths }: Changes): string[] => [
  ...differences.map(differenceText),
  ...(lengths === undefined
    ? []
    : [`the disk has ${lengths.after} bytes, its base ${lengths.before}`]),
];

const extentText = ({ pageIndex, pageCount }: WireExtent): string =>
  pageCount === 1 ? `page ${pageIndex}` : `pages ${pageIndex} to ${pageIndex + pageCount - 1}`;

const holds = ({ pageIndex, pageCount }: WireExtent, page: number): boolean =>
  page >= pageIndex && page < pageIndex + pageCount;

/** The dirty pages of an extent that nobody expects, as runs. */
function unexpectedIn({ pageIndex, pageCount }: WireExtent, wanted: readonly number[]): string[] {
  const texts: string[] = [];
  let start = pageIndex;
  const inside = wanted.filter((page) => holds({ pageIndex, pageCount }, page));
  for (const page of [...inside, pageIndex + pageCount]) {
    if (page > start) {
      const run = { pageIndex: start, pageCount: page - start };
      texts.push(`${extentText(run)} ${run.pageCount === 1 ? 'is' : 'are'} dirty`);
    }
    start = page + 1;
  }
  return texts;
}

const differenceText = ({ kind, offset, length, differentBytes, newBytes }: WireDifference) => {
  const bytes = differentBytes + newBytes;
  const count = bytes > 0 ? `, ${countOf(bytes, 'byte')}` : '';
  return `${kind} at ${rangeText(offset, length)}${count}`;
};

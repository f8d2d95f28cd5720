import type { ByteRange } from '../byteRanges.js';
import { exactNeedle } from '../search/needle.js';
import { search } from '../search/search.js';
import type { MemoryStep } from './container.js';
import type { GuestMemory } from './guestMemory.js';
import { guestSource, presentRanges } from './guestSource.js';
import { VMCOREINFO_START, Vmcoreinfo, vmcoreinfoAt } from './vmcoreinfo.js';

/** As long as the beginning of VMCOREINFO: needles of one search are. */
const BANNER_START = 'Linux vers';
/** Ranges that are searched at once: a dump may have as many as half of its pages. */
const RANGES_AT_ONCE = 4096;
const MAX_BANNER_BYTES = 1024;
/** Memory may be full of whatever somebody put there. */
const MAX_CANDIDATES = 4096;
/** Linux's own images are smaller; this much behind `_stext` belongs to one. */
const MAX_IMAGE_BYTES = 256 * 1024 ** 2;
/** `Linux version RELEASE (builder) (compiler …) #BUILD …` */
const pattern = /^Linux version (\S+) \([^\0\n]*\) #\d+[^\0\n]*/;

/** The line by which a Linux kernel names itself. */
interface KernelBanner {
  /** The whole line, without its end. */
  readonly text: string;
  readonly release: string;
  /** Guest-physical. */
  readonly address: number;
}

/** What a memory says about its kernel. */
export interface KernelIdentity {
  readonly banner: KernelBanner | undefined;
  /** Of the running kernel: the one whose page tables are in the memory, or else the first. */
  readonly vmcoreinfo: Vmcoreinfo | undefined;
  readonly warnings: readonly string[];
}

interface Candidate extends KernelBanner {
  /** Ends as the kernel's own copy does: with a line feed and a NUL. */
  readonly isWhole: boolean;
}

/**
 * Looks through the memory for VMCOREINFO and for the kernel's `linux_banner`. The text `Linux version ` is also in the
 * log, in the boot area and in tables of strings: of all places, those count first that agree with VMCOREINFO's release,
 * then those that are whole, then those within the kernel's image, then the lowest.
 *
 * @throws HexzError when memory that is present cannot be read
 */
export function* identifyKernel(memory: GuestMemory): Generator<MemoryStep, KernelIdentity> {
  const { vmcoreinfo: note } = memory.metadata;
  const infos = note === undefined ? [] : [new Vmcoreinfo(note)];
  const candidates: Candidate[] = [];
  let leftOut = 0;
  for (const step of candidatePlaces(memory)) {
    if (typeof step !== 'number') {
      yield step;
      continue;
    }
    if (candidates.length + infos.length >= MAX_CANDIDATES) {
      leftOut++;
      continue;
    }
    const candidate = candidateAt(memory, step);
    if (candidate !== undefined) candidates.push(candidate);
    const info = vmcoreinfoAt(memory, step);
    if (info !== undefined) infos.push(info);
  }
  const vmcoreinfo = infos.find((info) => info.fits(memory)) ?? infos[0];
  const warnings: string[] = [];
  if (leftOut > 0) {
    warnings.push(
      `${leftOut} places that may tell the kernel were not looked at: there are too many`,
    );
  }
  const best = bestOf(candidates, vmcoreinfo);
  if (
    best !== undefined &&
    vmcoreinfo?.release !== undefined &&
    best.release !== vmcoreinfo.release
  ) {
    warnings.push(
      `the banner says ${best.release}, VMCOREINFO says ${vmcoreinfo.release}: the memory of two kernels`,
    );
  }
  const banner =
    best === undefined
      ? undefined
      : { text: best.text, release: best.release, address: best.address };
  return { banner, vmcoreinfo, warnings };
}

/** Addresses at which either may begin, and how far the search is. */
function* candidatePlaces(memory: GuestMemory): Generator<number | MemoryStep, void> {
  const source = guestSource(memory);
  const totalBytes = memory.rangeBytesBefore(memory.endAddress);
  const needles = [BANNER_START, VMCOREINFO_START].map((text) => exactNeedle(Buffer.from(text)));
  for (const ranges of batchesOf(presentRanges(memory))) {
    const [first] = ranges;
    const before = memory.rangeBytesBefore(first?.startOffset ?? 0);
    for (const step of search(source, { kind: 'bytes', needles }, { ranges })) {
      if (step.kind === 'match') yield step.offset;
      else yield { doneBytes: before + step.doneBytes, totalBytes };
    }
  }
}

function* batchesOf(ranges: Iterable<ByteRange>): Generator<ByteRange[], void> {
  let batch: ByteRange[] = [];
  for (const range of ranges) {
    batch.push(range);
    if (batch.length < RANGES_AT_ONCE) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function candidateAt(memory: GuestMemory, address: number): Candidate | undefined {
  const bytes = Buffer.alloc(MAX_BANNER_BYTES);
  const length = memory.readAvailable(address, bytes);
  const [text, release] = pattern.exec(bytes.toString('latin1', 0, length)) ?? [];
  if (text === undefined || release === undefined) return undefined;
  const isWhole = bytes[text.length] === 0x0a && bytes[text.length + 1] === 0;
  return { text, release, address, isWhole: isWhole && text.length + 2 <= length };
}

function bestOf(
  candidates: readonly Candidate[],
  vmcoreinfo: Vmcoreinfo | undefined,
): Candidate | undefined {
  const imageStart = vmcoreinfo?.physicalOf('_stext');
  const rank = ({ release, isWhole, address }: Candidate): number =>
    (release === vmcoreinfo?.release ? 4 : 0) +
    (isWhole ? 2 : 0) +
    (imageStart !== undefined && address >= imageStart && address < imageStart + MAX_IMAGE_BYTES
      ? 1
      : 0);
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (best === undefined || rank(candidate) > rank(best)) best = candidate;
  }
  return best;
}

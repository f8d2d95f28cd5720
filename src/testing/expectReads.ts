import type { ActivityEvent } from '../engine/control/protocol/activity.js';
import type { RecordedActivity } from './activity.js';
import { countOf, failure, rangeText } from './failure.js';
import type { TestMount } from './testMount.js';

type StreamName = 'disk' | 'memory';

/** What is asked of a mount. */
interface ReadsOfMount {
  readonly activity: Pick<TestMount['activity'], 'recorded'>;
}

/**
 * What can be said of the reads that reached a mount since it was made, or since `activity.mark()`; each throws an
 * AssertionError where it does not hold. The kernel reads ahead, and what it has in its cache does not reach the mount
 * again: a program that reads with `O_DIRECT` gets around both.
 */
export interface ReadsExpectation {
  /** Some byte of these was read. */
  toTouch(stream: StreamName, offset: number, length: number): Promise<void>;
  /** No byte of these was read. */
  notToTouch(stream: StreamName, offset: number, length: number): Promise<void>;
  /** Not more blocks were decoded, of all streams. */
  toDecodeAtMost(blocks: number): Promise<void>;
  /** Not more bytes were read, of all streams. */
  toBeAtMostBytes(bytes: number): Promise<void>;
}

/** What reads of a mount are expected to have been. */
export const expectReads = (mount: ReadsOfMount): ReadsExpectation => ({
  async toTouch(stream, offset, length) {
    const recorded = await mount.activity.recorded();
    const reads = readsOf(recorded, stream);
    if (reads.some((event) => overlaps(event, offset, length))) return;
    throw failure(
      `expected a read of the ${stream} at ${rangeText(offset, length)}, but ${insteadText(recorded, reads)}`,
      reads.map(eventText),
    );
  },

  async notToTouch(stream, offset, length) {
    const recorded = await mount.activity.recorded();
    const touching = readsOf(recorded, stream).filter((event) => overlaps(event, offset, length));
    if (touching.length > 0) {
      throw failure(
        `expected no read of the ${stream} at ${rangeText(offset, length)}, but there ${wasOrWere(touching.length)}:`,
        touching.map(eventText),
      );
    }
    if (recorded.lostEvents === 0) return;
    throw failure(
      `expected no read of the ${stream} at ${rangeText(offset, length)}, which nobody can tell: ${lostText(recorded)}`,
    );
  },

  async toDecodeAtMost(blocks) {
    const { counters } = await mount.activity.recorded();
    const actual = counters.decodedBlocks;
    if (actual <= blocks) return;
    throw failure(`expected at most ${countOf(blocks, 'decoded block')}, got ${actual}`, [], {
      actual,
      expected: blocks,
    });
  },

  async toBeAtMostBytes(bytes) {
    const recorded = await mount.activity.recorded();
    const streams = Object.values(recorded.counters.streams);
    const actual = streams.reduce((sum, { readBytes }) => sum + readBytes, 0);
    if (actual <= bytes) return;
    const reads = recorded.events.filter(isRead);
    throw failure(
      `expected at most ${countOf(bytes, 'byte')} to be read, got ${actual}:`,
      reads.map((event) => `${event.stream} ${eventText(event)}`),
      { actual, expected: bytes },
    );
  },
});

const isRead = ({ kind }: ActivityEvent): boolean => kind === 'read';

const readsOf = ({ events }: RecordedActivity, stream: StreamName): ActivityEvent[] =>
  events.filter((event) => isRead(event) && event.stream === stream);

const overlaps = (event: ActivityEvent, offset: number, length: number): boolean =>
  event.offset < offset + length && offset < event.offset + event.length;

const eventText = ({ offset, length }: ActivityEvent): string =>
  `${rangeText(offset, length)} (${countOf(length, 'byte')})`;

const wasOrWere = (count: number): string => (count === 1 ? 'was one' : `were ${count}`);

const lostText = ({ lostEvents }: RecordedActivity): string =>
  `${countOf(lostEvents, 'request')} were too many to be recorded`;

/** What there was in place of the read that was looked for. */
function insteadText(recorded: RecordedActivity, reads: readonly ActivityEvent[]): string {
  if (recorded.lostEvents > 0)
    return `there was none among those recorded (${lostText(recorded)}):`;
  return reads.length === 0 ? 'nothing of it was read' : 'there was none there:';
}

import type { ActivityEvent, ActivitySample } from '../../engine/control/protocol/activity.js';
import { MAX_SAMPLE_EVENTS } from '../../engine/control/protocol/methods.js';
import { HexzError } from '../../engine/errors.js';
import { Listing } from '../listing.js';
import { eventBlocks, eventOutcome, eventTime } from '../rendering/activity.js';
import { type Fact, facts, rows } from '../rendering/rendering.js';
import { countOf, formatBytes, formatCount } from '../rendering/values.js';
import { defineCommand, flag, option, optional, type RunContext, required } from './definition.js';
import { countKind, durationKind } from './kinds.js';
import { offsetColumn } from './place.js';

const RATE_HZ = 20;

interface Watched {
  readonly sample: ActivitySample;
  /** Since the watching began, in milliseconds. */
  readonly elapsedMs: number;
}

/** Samples of the activity, several in a second also when nothing happens; leaving them ends the watching. */
async function* samples(
  { session, signal }: RunContext,
  maximumEvents: number,
  since: 'start' | 'now' = 'now',
): AsyncGenerator<Watched, void> {
  const params = { rateHz: RATE_HZ, maximumEvents, since, sendsIdle: true };
  const startedAt = performance.now();
  const watch = session.client.stream('watch', params, { signal });
  for await (const batch of watch.batches()) {
    for (const item of batch) {
      if ('activity' in item) {
        yield { sample: item.activity, elapsedMs: performance.now() - startedAt };
      }
    }
  }
}

export const statsCommand = defineCommand({
  name: 'stats',
  group: 'Activity',
  summary: 'Counts what happened since the engine began',
  details: ['With TIME it watches that long, and says what happened in a second of it.'],
  examples: ['stats', 'stats 5s'],
  arguments: { time: optional(durationKind, 'how long to watch') },
  options: {},
  async run(context, { time = 0 }) {
    let first: Watched | undefined;
    for await (const watched of samples(context, 0)) {
      first ??= watched;
      const elapsedMs = watched.elapsedMs - first.elapsedMs;
      if (elapsedMs < time) continue;
      const { counters, readLatency, writeLatency, dirtyPages, diskLength } = watched.sample;
      const since =
        time === 0 ? null : { seconds: elapsedMs / 1000, counters: first.sample.counters };
      return { counters, since, readLatency, writeLatency, dirtyPages, diskLength };
    }
    throw new HexzError('CANCELLED', 'the watching has ended');
  },
}).shownAs(
  facts(({ counters, since, dirtyPages, diskLength }) => {
    const rate = (now: number, before: number, format: (value: number) => string): string =>
      since === null ? '' : `, ${format(Math.round((now - before) / since.seconds))}/s`;
    const streams = Object.entries(counters.streams).flatMap(([name, now]): Fact[] => {
      const before = Object.entries(since?.counters.streams ?? {}).find(
        ([other]) => other === name,
      )?.[1];
      return [
        [
          `${name} read`,
          `${formatBytes(now.readBytes)} in ${countOf(now.reads, 'request')}${rate(now.readBytes, before?.readBytes ?? 0, formatBytes)}`,
          now.readBytes,
        ],
        [
          `${name} written`,
          `${formatBytes(now.writtenBytes)} in ${countOf(now.writes, 'request')}${rate(now.writtenBytes, before?.writtenBytes ?? 0, formatBytes)}`,
          now.writtenBytes,
        ],
        [`${name} errors`, formatCount(now.errors), now.errors],
      ];
    });
    const { hitBlocks, decodedBlocks, decodeMicroseconds } = counters;
    const touched = hitBlocks + decodedBlocks;
    const hitShare = touched === 0 ? '' : ` (${((hitBlocks / touched) * 100).toFixed(1)} %)`;
    const decodeTime =
      decodedBlocks === 0 ? '' : `, ${Math.round(decodeMicroseconds / decodedBlocks)} us each`;
    return [
      ...streams,
      ['cache hits', `${countOf(hitBlocks, 'block')}${hitShare}`, hitBlocks],
      ['decoded', `${countOf(decodedBlocks, 'block')}${decodeTime}`, decodedBlocks],
      ['dirty', countOf(dirtyPages, 'page'), dirtyPages],
      ['disk', formatBytes(diskLength), diskLength],
    ];
  }),
);

interface EventsTail {
  readonly eventsCount: number;
  readonly lostEvents: number;
}

export const eventsCommand = defineCommand({
  name: 'events',
  group: 'Activity',
  summary: 'Lists the last requests to the mount, or those that come',
  details: [
    'An engine remembers the last 16 384 requests. With `--for` or `--follow` it lists what comes from now on. When there was more than can be told, the end says how much was lost.',
  ],
  examples: ['events', 'events 10', 'events --for 2s > events.txt', 'events --follow'],
  arguments: { count: optional(countKind, 'the last so many; of those that come, the first') },
  options: {
    for: option(durationKind, 'list what comes within this time'),
    follow: flag('list what comes, until Ctrl+C'),
  },
  run: async (context, { count = Number.POSITIVE_INFINITY, for: given, follow }) => {
    const waits = follow || given !== undefined;
    const time = given ?? (follow ? Number.POSITIVE_INFINITY : 0);
    const most = waits ? MAX_SAMPLE_EVENTS : Math.min(count, MAX_SAMPLE_EVENTS);
    return new Listing<ActivityEvent, object, EventsTail>({}, 'events', async function* () {
      let eventsCount = 0;
      let lostEvents = 0;
      if (count === 0) return { eventsCount, lostEvents };
      for await (const { sample, elapsedMs } of samples(context, most, waits ? 'now' : 'start')) {
        const shown = sample.events.slice(0, count - eventsCount);
        lostEvents += sample.lostEvents;
        eventsCount += shown.length;
        yield shown;
        if (eventsCount >= count || elapsedMs >= time) break;
      }
      return { eventsCount, lostEvents };
    });
  },
}).shownAs(
  rows({
    columns: [
      { title: 'time', width: 12, text: eventTime, value: ({ time }) => time, style: () => 'dim' },
      {
        title: 'kind',
        width: 8,
        text: ({ kind, hasFailed }) => (hasFailed ? `${kind} !` : kind),
        style: ({ kind, hasFailed }) =>
          hasFailed ? 'error' : kind === 'write' ? 'dirty' : 'plain',
      },
      { title: 'stream', width: 6, text: ({ stream }) => stream },
      offsetColumn,
      {
        title: 'length',
        width: 10,
        isRight: true,
        text: ({ length }) => formatBytes(length),
        value: ({ length }) => length,
      },
      {
        title: 'blocks',
        width: 12,
        text: eventBlocks,
        value: ({ firstBlockIndex }) => firstBlockIndex,
      },
      { title: 'how', width: 0, text: eventOutcome, value: ({ microseconds }) => microseconds },
    ],
    after: ({ eventsCount, lostEvents }) => [
      `${countOf(eventsCount, 'event')}${lostEvents === 0 ? '' : `, ${formatCount(lostEvents)} more not told`}`,
    ],
  }),
);

const DEFAULT_IDLE_MS = 1000;

interface Waited {
  readonly milliseconds: number;
  readonly events: number;
}

const waitedText = facts<Waited>(({ milliseconds, events }) => [
  ['waited', `${(milliseconds / 1000).toFixed(1)} s`, milliseconds],
  ['events', formatCount(events), events],
]);

const timeoutOption = option(durationKind, 'fail after this time');

/** Watches until it is enough. @throws HexzError ASSERTION_FAILED when that takes too long */
async function waitUntil(
  context: RunContext,
  timeoutMs: number,
  whatFor: string,
  isEnough: (state: Waited & { readonly quietMs: number }) => boolean,
): Promise<Waited> {
  let events = 0;
  let quietSince = 0;
  for await (const { sample, elapsedMs } of samples(context, MAX_SAMPLE_EVENTS)) {
    const happened = sample.events.length + sample.lostEvents;
    events += happened;
    if (happened > 0) quietSince = elapsedMs;
    const waited = { milliseconds: Math.round(elapsedMs), events };
    if (isEnough({ ...waited, quietMs: elapsedMs - quietSince })) return waited;
    if (elapsedMs > timeoutMs) {
      throw new HexzError(
        'ASSERTION_FAILED',
        `${whatFor} did not come within ${timeoutMs / 1000} s`,
      );
    }
  }
  throw new HexzError('CANCELLED', 'the watching has ended');
}

export const waitIdleCommand = defineCommand({
  name: 'wait idle',
  group: 'Activity',
  summary: 'Waits until nothing has happened for a time',
  examples: ['wait idle', 'wait idle 3s --timeout 1m'],
  arguments: { time: optional(durationKind, 'how long nothing happens (default: 1s)') },
  options: { timeout: timeoutOption },
  run: (context, { time = DEFAULT_IDLE_MS, timeout = Number.POSITIVE_INFINITY }) =>
    waitUntil(context, timeout, 'rest', ({ quietMs }) => quietMs >= time),
}).shownAs(waitedText);

export const waitEventsCommand = defineCommand({
  name: 'wait events',
  group: 'Activity',
  summary: 'Waits until so many requests have come',
  examples: ['wait events 100 --timeout 30s'],
  arguments: { count: required(countKind, 'how many') },
  options: { timeout: timeoutOption },
  run: (context, { count, timeout = Number.POSITIVE_INFINITY }) =>
    waitUntil(context, timeout, countOf(count, 'event'), ({ events }) => events >= count),
}).shownAs(waitedText);

export const waitCommand = defineCommand({
  name: 'wait',
  group: 'Activity',
  summary: 'Waits for a time',
  examples: ['wait 500ms'],
  arguments: { time: required(durationKind, 'how long') },
  options: {},
  async run({ signal }, { time }) {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', cancel);
        resolve();
      }, time);
      const cancel = (): void => {
        clearTimeout(timer);
        reject(new HexzError('CANCELLED', 'the waiting was cancelled'));
      };
      if (signal.aborted) cancel();
      else signal.addEventListener('abort', cancel, { once: true });
    });
    return { milliseconds: time };
  },
}).shownAs(facts(({ milliseconds }) => [['waited', `${milliseconds / 1000} s`, milliseconds]]));

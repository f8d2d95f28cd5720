import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ActivityRecorder } from '../src/engine/activity/recorder.js';
import { createActivity } from '../src/engine/volume/createActivity.js';
import { createVolume, type Volume } from '../src/engine/volume/volume.js';
import { openSnapshot } from '../src/index.js';
import { fileSystemSnapshot } from './inputs.js';
import { median, printTable } from './measure.js';

const ROUNDS = 200;
const HOT_BYTES = 32 * 1024 ** 2;

/** Requests that are measured together, short enough that the machine is the same for all contenders. */
interface Workload {
  readonly name: string;
  readonly cacheBytes: number;
  readonly requestBytes: number;
  readonly requests: number;
  /** Where a request begins; the same for all contenders. */
  offsetOf(request: number, streamLength: number): number;
}

const randomOffset = (request: number, length: number): number =>
  Math.floor(((request * 0.618033988749895) % 1) * (length / 4096)) * 4096;

const workloads: readonly Workload[] = [
  {
    name: '4 KiB random, cold',
    cacheBytes: 0,
    requestBytes: 4096,
    requests: 500,
    offsetOf: randomOffset,
  },
  {
    name: '4 KiB random, hot',
    cacheBytes: 2 * HOT_BYTES,
    requestBytes: 4096,
    requests: 20_000,
    offsetOf: (request) => randomOffset(request, HOT_BYTES),
  },
  {
    name: '128 KiB sequential, cold',
    cacheBytes: 0,
    requestBytes: 128 * 1024,
    requests: 250,
    offsetOf: (request, length) => (request * 128 * 1024) % (length - 128 * 1024),
  },
];

/**
 * What recording costs a read: the same requests to a volume without a recorder, one with it, and one that three
 * watchers sample 30 times a second besides. They take turns; the cost is the median of the ratios of one round.
 */
export async function activity(): Promise<void> {
  const path = fileSystemSnapshot('lz4');
  const rows = [['', 'plain', 'recorded', 'cost', 'sampled', 'cost', 'wanted']];
  const sampleMicroseconds: number[] = [];
  for (const workload of workloads) {
    const { row, microseconds } = await measure(path, workload);
    rows.push(row);
    sampleMicroseconds.push(microseconds);
  }
  process.stdout.write('activity lz4: volume.readInto, microseconds a request\n');
  printTable(rows);
  const mean = median(sampleMicroseconds).toFixed(0);
  process.stdout.write(`  one sample, in its own thread: ${mean} us\n`);
}

async function measure(
  path: string,
  workload: Workload,
): Promise<{ row: string[]; microseconds: number }> {
  const plain = createVolume(open(path, workload));
  const recorded = recordedVolume(path, workload);
  const sampled = recordedVolume(path, workload);
  const sampler = new Worker(new URL('./sampleWorker.js', import.meta.url), {
    workerData: sampled.activity,
  });
  await once(sampler, 'online');
  const volumes = [plain, recorded.volume, sampled.volume];
  const times: number[][] = volumes.map(() => []);
  for (let round = -5; round < ROUNDS; round++) {
    // Nobody is always the first.
    for (let turn = 0; turn < volumes.length; turn++) {
      const which = (turn + round + 6) % volumes.length;
      const microseconds = run(volumes[which] as Volume, workload, Math.max(0, round));
      if (round >= 0) times[which]?.push(microseconds);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  sampler.postMessage('how long');
  const [microseconds] = (await once(sampler, 'message')) as [number];
  await sampler.terminate();
  for (const volume of volumes) await volume.close();
  const [base = [], ...others] = times;
  const format = (values: readonly number[]) => median(values).toFixed(2);
  const cost = (values: readonly number[]) =>
    `${((median(values.map((value, round) => value / (base[round] as number))) - 1) * 100).toFixed(1)} %`;
  const row = [workload.name, format(base)];
  for (const values of others) row.push(format(values), cost(values));
  row.push(workload.cacheBytes === 0 ? '< 2 %' : '-');
  return { row, microseconds };
}

const open = (path: string, { cacheBytes }: Workload) => openSnapshot(path, { cacheBytes });

function recordedVolume(path: string, workload: Workload) {
  const snapshot = open(path, workload);
  const shared = createActivity(snapshot);
  return {
    activity: shared,
    volume: createVolume(snapshot, undefined, new ActivityRecorder(shared)),
  };
}

/** Microseconds a request. */
function run(volume: Volume, workload: Workload, round: number): number {
  const { requests, requestBytes, offsetOf } = workload;
  const streamLength = volume.streamLength('disk');
  const target = Buffer.allocUnsafeSlow(requestBytes);
  const start = performance.now();
  for (let request = 0; request < requests; request++) {
    volume.readInto('disk', offsetOf(round * requests + request, streamLength), target);
  }
  return ((performance.now() - start) * 1000) / requests;
}

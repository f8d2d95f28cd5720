import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { NbdClient } from '../support/nbd/client.js';
import { FUZZED_DISK_BYTES, talk } from '../support/nbd/fuzzedTalk.js';
import { serveVolume } from '../support/nbd/serveVolume.js';
import { talkTo } from '../support/nbd/talkTo.js';
import { someBytes } from '../support/streams.js';
import { until } from '../support/until.js';

const TALKERS = 8;
const REPORT_EVERY = 10_000;

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

/**
 * Clients that say anything at all to a server, and stop at any byte: it goes on, one that behaves is answered, and nothing
 * is left of the others.
 *
 * @throws Error that names the seed
 */
export async function fuzzNbd(runs: number, seed: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hexz-fuzz-'));
  const memory = someBytes(50_000);
  const disk = Buffer.concat([someBytes(200_000), Buffer.alloc(FUZZED_DISK_BYTES - 200_000)]);
  const served = await serveVolume(directory, { disk, memory, isWritable: true });
  try {
    const bystander = await NbdClient.open(served.where, { name: 'memory' });
    const before = openDescriptors();
    const started = performance.now();
    for (let done = 0; done < runs; done += TALKERS) {
      const talks = fc.sample(talk, { numRuns: TALKERS, seed: seed + done });
      const over = Promise.all(talks.map((each) => talkTo(served.where, each)));
      const { data } = await bystander.read(1000, 3000);
      if (!data.equals(memory.subarray(1000, 4000)))
        throw new Error('another client reads nonsense');
      await over;
      if (served.bugs.length > 0) throw served.bugs[0];
      if (done % REPORT_EVERY < TALKERS && done > 0) process.stderr.write(`${done} clients\n`);
    }
    await until('the end of all connections', () => openDescriptors() <= before);
    bystander.close();
    const seconds = (performance.now() - started) / 1000;
    const peak = process.resourceUsage().maxRSS / 1024;
    process.stdout.write(
      `${runs} clients in ${seconds.toFixed(0)} s, peak memory ${peak.toFixed(0)} MiB: the server goes on\n`,
    );
  } catch (cause) {
    throw new Error(`a client has done harm (--nbd --seed ${seed})`, { cause });
  } finally {
    await served.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

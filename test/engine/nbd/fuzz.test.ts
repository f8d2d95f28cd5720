import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { COMMAND, FLAG } from '../../support/nbd/client.js';
import { expectBytes } from '../../support/nbd/expectBytes.js';
import { FUZZED_DISK_BYTES, talk } from '../../support/nbd/fuzzedTalk.js';
import { servedVolumes } from '../../support/nbd/servers.js';
import { talkTo } from '../../support/nbd/talkTo.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until } from '../../support/until.js';

const serve = servedVolumes(temporaryDirectories());

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

test('whatever a client says, and wherever it stops, others are served', async () => {
  const memory = someBytes(50_000);
  const disk = Buffer.concat([someBytes(200_000), Buffer.alloc(FUZZED_DISK_BYTES - 200_000)]);
  const served = await serve({ disk, memory, isWritable: true });
  const bystander = await served.open({ name: 'memory' });
  const before = openDescriptors();
  await fc.assert(
    fc.asyncProperty(fc.array(talk, { minLength: 1, maxLength: 4 }), async (talks) => {
      const over = Promise.all(talks.map((each) => talkTo(served.where, each)));
      expectBytes((await bystander.read(1000, 3000)).data, memory.subarray(1000, 4000));
      await over;
      expect(served.bugs).toEqual([]);
    }),
    { numRuns: 150 },
  );
  await until('the end of all connections', () => openDescriptors() <= before);
});

/** What a model of a disk and a server are both told to do. */
const step = fc.record({
  kind: fc.constantFrom('read', 'whole', 'write', 'forced', 'zero', 'noHole', 'trim', 'status'),
  place: fc.nat(FUZZED_DISK_BYTES - 1),
  length: fc.oneof(fc.nat(200), fc.nat(20_000), fc.nat(FUZZED_DISK_BYTES)),
  byte: fc.nat(255),
});

test.each([true, false])(
  'a disk that is written is what a model of it is (structured: %s)',
  async (isStructured) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const disk = Buffer.concat([
          someBytes(100_000),
          Buffer.alloc(100_000),
          someBytes(FUZZED_DISK_BYTES - 200_000),
        ]);
        const served = await serve({ disk, isWritable: true });
        const contexts = isStructured ? ['base:allocation'] : [];
        const clients = [
          await served.open({ isStructured, contexts }),
          await served.open({ isStructured, contexts }),
        ] as const;
        for (const [index, { kind, place, length: wanted, byte }] of steps.entries()) {
          const client = clients[(index % 2) as 0 | 1];
          const length = Math.min(wanted, disk.length - place);
          const range = { offset: place, length };
          if (kind === 'read') {
            expectBytes(
              (await client.read(place, length)).data,
              disk.subarray(place, place + length),
            );
          } else if (kind === 'whole') {
            const flags = isStructured ? FLAG.dontFragment : 0;
            const { data } = await client.read(place, length, flags);
            expectBytes(data, disk.subarray(place, place + length));
          } else if (kind === 'write' || kind === 'forced') {
            const bytes = Buffer.alloc(length, byte);
            await client.write(place, bytes, kind === 'forced' ? FLAG.fua : 0);
            bytes.copy(disk, place);
          } else if (kind === 'zero' || kind === 'noHole') {
            const flags = kind === 'noHole' ? FLAG.noHole : 0;
            await client.do(COMMAND.writeZeroes, { ...range, flags });
            disk.fill(0, place, place + length);
          } else if (kind === 'trim') {
            await client.do(COMMAND.trim, range);
          } else if (isStructured && length > 0) {
            let at = place;
            for (const [runLength, state] of await client.status(place, length)) {
              const bytes = disk.subarray(at, at + runLength);
              if (state !== 0) expectBytes(bytes, Buffer.alloc(runLength));
              at += runLength;
            }
            expect(at).toBe(place + length);
          }
        }
        expectBytes((await clients[0].read(0, disk.length)).data, disk);
        await served.server.close();
        expect(served.bugs).toEqual([]);
      }),
      { numRuns: 25 },
    );
  },
);

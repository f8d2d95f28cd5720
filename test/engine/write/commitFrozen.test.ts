import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import type { SharedFrozenInstant } from '../../../src/engine/overlay/frozenInstant.js';
import { FrozenOverlay } from '../../../src/engine/overlay/frozenOverlay.js';
import { Overlay } from '../../../src/engine/overlay/overlay.js';
import { createPreservedFile } from '../../../src/engine/overlay/preservedFile.js';
import { baseDiskOf } from '../../../src/engine/volume/volume.js';
import { commitFrozen } from '../../../src/engine/write/commit.js';
import type { CommitOutputOptions, CommitReport } from '../../../src/engine/write/commitOutput.js';
import { pack } from '../../../src/engine/write/pack.js';
import { openSnapshot, type Snapshot } from '../../../src/index.js';
import { codeOfAsync } from '../../support/errors.js';
import { markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { expectSameBytes, readStream, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE = 4096;
const newDirectory = temporaryDirectories();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Scene {
  readonly directory: string;
  readonly base: Snapshot;
  readonly overlay: Overlay;
  readonly output: string;
}

/** A base of some MiB under an overlay that is open for writing. */
async function scene(environment: Parameters<typeof Overlay.open>[1] = {}): Promise<Scene> {
  const directory = newDirectory();
  const [disk, path] = [join(directory, 'disk'), join(directory, 'base.hxz')];
  const content = [someBytes(2_000_000), Buffer.alloc(1_000_000), someBytes(1_000_001)];
  writeFileSync(disk, Buffer.concat(content));
  await pack({ disk, output: path, workerCount: 0 });
  const base = openSnapshot(path);
  const overlay = Overlay.open(
    { path: join(directory, 'changes.overlay'), base: baseDiskOf(base), access: 'write' },
    environment,
  );
  ends.push(
    () => base.close(),
    () => overlay.close(),
  );
  for (let page = 0; page < 800; page += 3) overlay.write(page * PAGE + 5, someBytes(3000));
  return { directory, base, overlay, output: join(directory, 'out.hxz') };
}

interface Reply {
  readonly phase?: 'write' | 'check';
  readonly report?: CommitReport;
  readonly error?: string;
}

/** Commits in another thread, which goes on from its first progress when something was done twenty times since. */
async function commitInThread(
  { base }: Scene,
  shared: SharedFrozenInstant,
  options: CommitOutputOptions,
  meanwhile: (round: number, phase: Reply['phase'], worker: Worker) => void,
  selection?: string,
): Promise<Reply> {
  const program = new URL('../../support/write/frozenCommit.mjs', import.meta.url);
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { base: base.path, shared, selection, options, gate };
  const worker = new Worker(program, { workerData });
  let phase: Reply['phase'];
  let last: Reply | undefined;
  worker.on('message', (reply: Reply) => {
    if (reply.phase === undefined) last = reply;
    else phase = reply.phase;
  });
  const failed = new Promise<never>((_, reject) => worker.on('error', reject));
  failed.catch(() => {});
  let roundsLeft = 20;
  for (let round = 0; last === undefined; round++) {
    meanwhile(round, phase, worker);
    if (phase !== undefined && --roundsLeft === 0) {
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
    }
    await Promise.race([failed, new Promise((resolve) => setImmediate(resolve))]);
  }
  await worker.terminate();
  return last;
}

const diskOf = (path: string): Buffer => {
  const snapshot = openSnapshot(path);
  try {
    return readStream(snapshot, 'disk');
  } finally {
    snapshot.close();
  }
};

describe('a commit of a frozen overlay, in another thread with threads of its own', () => {
  test.each<[string, Partial<CommitOutputOptions>]>([
    ['thick', {}],
    ['thin', { thin: true }],
    ['with zstd, everything verified', { compression: 'zstd', verifiesAll: true }],
  ])('holds that instant while the disk is written on: %s', async (_name, options) => {
    const opened = await scene();
    const { overlay, output } = opened;
    const instant = await overlay.freeze();
    const contents = contentsOf(overlay);
    const random = randomFrom(1);
    const reply = await commitInThread(
      opened,
      instant.shared,
      { output, workerCount: 2, ...options },
      (round) => {
        const offset = Math.floor(random() * 4_100_000);
        if (round % 40 === 39) overlay.truncate(offset);
        else overlay.write(offset, markedBytes(Math.floor(random() * 20_000), round));
      },
    );
    instant.release();
    expect(reply.error).toBeUndefined();
    expect(reply.report).toMatchObject({ overlay: 'kept', committedPages: 267 });
    expectSameBytes(diskOf(output), contents);
    expect(contentsOf(overlay).equals(contents)).toBe(false);
  });

  test('leaves out what is not selected', async () => {
    const opened = await scene();
    const { base, overlay, output } = opened;
    const instant = await overlay.freeze();
    const expected = readStream(base, 'disk');
    contentsOf(overlay).copy(expected, 0, 0, 100 * PAGE);
    const write = () => overlay.write(0, someBytes(2_000_000));
    const options = { output, workerCount: 1 };
    const reply = await commitInThread(opened, instant.shared, options, write, '0-99');
    instant.release();
    expect(reply.report).toMatchObject({ committedPages: 34, remainingPages: 267 });
    expectSameBytes(diskOf(output), expected);
    expect(overlay.isDirty(300)).toBe(true);
  });

  test('can be cancelled, and leaves nothing', async () => {
    const opened = await scene();
    const { directory, overlay, output } = opened;
    const names = readdirSync(directory);
    const instant = await overlay.freeze();
    const reply = await commitInThread(
      opened,
      instant.shared,
      { output, workerCount: 1 },
      (_round, phase, worker) => {
        if (phase !== undefined) worker.postMessage('cancel');
      },
    );
    instant.release();
    expect(reply.report).toBeUndefined();
    expect(readdirSync(directory)).toEqual(names);
  });
});

test('a commit whose instant is lost fails, and leaves nothing', async () => {
  const noSpace = Object.assign(new Error('full'), { code: 'ENOSPC' });
  const { directory, base, overlay, output } = await scene({
    createPreservedFile: (path) => ({
      ...createPreservedFile(path),
      write: () => {
        throw noSpace;
      },
    }),
  });
  const names = readdirSync(directory);
  const instant = await overlay.freeze();
  const frozen = new FrozenOverlay(instant.shared, baseDiskOf(base));
  overlay.write(0, someBytes(10));
  expect(await codeOfAsync(() => commitFrozen(base, frozen, { output }))).toBe('NO_SPACE');
  expect(readdirSync(directory)).toEqual(names);
  instant.release();
  frozen.close();
});

test('neither files of the overlay nor the base can be the output', async () => {
  const { directory, base, overlay } = await scene();
  const instant = await overlay.freeze();
  const frozen = new FrozenOverlay(instant.shared, baseDiskOf(base));
  for (const name of readdirSync(directory).filter((each) => each !== 'disk')) {
    const options = { output: join(directory, name), force: true };
    expect(await codeOfAsync(() => commitFrozen(base, frozen, options))).toBe('USAGE');
  }
  instant.release();
  frozen.close();
});

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { systemFiles } from '../../../src/engine/overlay/files.js';
import { FrozenOverlay } from '../../../src/engine/overlay/frozenOverlay.js';
import { Overlay, type OverlayEnvironment } from '../../../src/engine/overlay/overlay.js';
import { createPreservedFile } from '../../../src/engine/overlay/preservedFile.js';
import { codeOf } from '../../support/errors.js';
import { projectDirectory } from '../../support/fixtures.js';
import { MemoryBase, markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { overlayOpener } from '../../support/overlay/openOverlays.js';
import { SystemStage } from '../../support/overlay/stages.js';
import { countersOf, stamped, whileRead } from '../../support/overlay/stampedPages.js';
import { contentsOf, runs, Session, stepsOn } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE = 4096;
const newDirectory = temporaryDirectories();
/** Where a read sees halves of writes: other file systems rarely let it. */
const newTornDirectory = temporaryDirectories(existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
const openOverlay = overlayOpener();

const before = { write: 8, restore: 1, truncate: 2, drop: 1, beginSync: 1 };
const after = {
  ...{ write: 16, restore: 2, truncate: 5, drop: 2, compact: 1 },
  ...{ sync: 1, beginSync: 1, pause: 1 },
};

describe.each([0, 150, 4096, 30_000])('over a base of %i bytes', (length) => {
  const base = new MemoryBase(markedBytes(length, 0));
  const reach = length + 30_000;
  const stages: SystemStage[] = [];
  afterEach(() => {
    for (const stage of stages.splice(0)) stage.end();
  });

  test('a frozen overlay stays what it was, whatever is done to the other', async () => {
    await fc.assert(
      fc.asyncProperty(
        stepsOn(length, reach, before, 20),
        fc.array(stepsOn(length, reach, after, 12), { minLength: 1, maxLength: 3 }),
        async (list, turns) => {
          const stage = new SystemStage(newDirectory());
          stages.push(stage);
          const session = new Session(stage, base, { path: stage.path });
          await session.run(list);
          const frozen: { disk: FrozenOverlay; contents: Buffer; extents: unknown }[] = [];
          const instants = [];
          for (const steps of turns) {
            const instant = await session.overlay.freeze();
            instants.push(instant);
            frozen.push({
              disk: new FrozenOverlay(structuredClone(instant.shared), base),
              contents: contentsOf(session.overlay),
              extents: [...session.overlay.extents()],
            });
            for (const step of steps) {
              await session.perform(step);
              for (const { disk, contents, extents } of frozen) {
                expectSameBytes(contentsOf(disk), contents);
                expect([...disk.extents()]).toEqual(extents);
              }
            }
          }
          session.expectContents();
          for (const { disk } of frozen) disk.close();
          for (const instant of instants) instant.release();
          await session.close();
        },
      ),
      runs(60, length),
    );
  });
});

test('another thread reads what was frozen while it is overwritten', async () => {
  // So many that most reads meet pages which are being overwritten for the first time.
  const pageCount = 8000;
  const overlay = openOverlay(
    join(newTornDirectory(), 'disk.overlay'),
    new MemoryBase(stamped(pageCount, 1)),
  );
  const random = randomFrom(2);
  const numberBelow = (end: number) => Math.floor(random() * end);
  const stamps = countersOf(pageCount).fill(1);
  for (let stamp = 2; stamp < 400; stamp++) {
    const first = numberBelow(pageCount);
    overlay.write(first * PAGE, stamped(50, stamp));
    stamps.fill(stamp, first, first + 50);
  }
  overlay.truncate(pageCount * PAGE);
  const instant = await overlay.freeze();
  const found = await whileRead(
    { frozen: instant.shared, pageCount, reads: 500, answered: stamps },
    (_stamps, round) => {
      if (round % 5000 === 4999) overlay.truncate(numberBelow(pageCount) * PAGE);
      else overlay.write(((round * 8) % pageCount) * PAGE, stamped(8, 1000 + round));
    },
  );
  instant.release();
  expect(found).toEqual([]);
});

describe('a frozen instant', () => {
  const base = new MemoryBase(markedBytes(30_000, 0));

  test('has no name, and costs nothing where nothing of it is overwritten', async () => {
    const path = join(newDirectory(), 'disk.overlay');
    const overlay = openOverlay(path, base);
    overlay.write(0, markedBytes(20_000, 1));
    const names = readdirSync(dirname(path));
    const instant = await overlay.freeze();
    const disk = new FrozenOverlay(instant.shared, base);
    overlay.write(25_000, markedBytes(1000, 2));
    expect(readdirSync(dirname(path))).toEqual([...names, 'disk.overlay.hexz.json'].filter(unique));
    expect(disk.dirtyPageCount).toBe(5);
    instant.release();
    instant.release();
    disk.close();
  });

  test('leaves nothing behind when its process is killed', async () => {
    const path = join(newDirectory(), 'disk.overlay');
    const support = join(projectDirectory, 'test', 'support');
    const child = fork(join(support, 'overlay', 'holdFrozen.ts'), [path], {
      execArgv: ['--import', join(support, 'typescript.mjs')],
    });
    try {
      const [preservedBytes] = (await once(child, 'message')) as [unknown];
      expect(preservedBytes).toBe(100_000);
    } finally {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    expect(readdirSync(dirname(path)).sort()).toEqual([
      'disk.meta',
      'disk.overlay',
      'disk.overlay.hexz.json',
    ]);
    const overlay = openOverlay(path, new MemoryBase(markedBytes(150, 0)));
    expectSameBytes(contentsOf(overlay), markedBytes(100_000, 2));
  });

  test('ends with its overlay', async () => {
    const overlay = openOverlay(join(newDirectory(), 'disk.overlay'), base);
    overlay.write(0, markedBytes(20_000, 1));
    const instant = await overlay.freeze();
    const disk = new FrozenOverlay(instant.shared, base);
    await overlay.close();
    expect(codeOf(() => contentsOf(disk))).toBe('OVERLAY_UNUSABLE');
    instant.release();
    disk.close();
  });

  test('that was released is not read by its number, nor on and on', async () => {
    const overlay = openOverlay(join(newDirectory(), 'disk.overlay'), base);
    overlay.write(0, markedBytes(20_000, 1));
    const instant = await overlay.freeze();
    const disk = new FrozenOverlay(instant.shared, base);
    overlay.write(0, markedBytes(20_000, 2));
    instant.release();
    overlay.write(0, markedBytes(20_000, 3));
    expect(codeOf(() => contentsOf(disk))).toBe('OVERLAY_UNUSABLE');
    // Now another one may have the number of its file.
    const other = await overlay.freeze();
    expect(codeOf(() => new FrozenOverlay(instant.shared, base))).toBe('OVERLAY_UNUSABLE');
    other.release();
    disk.close();
    disk.close();
  });

  test.each([
    ['ENOSPC', 'NO_SPACE'],
    ['EDQUOT', 'NO_SPACE'],
    ['EIO', 'OVERLAY_UNUSABLE'],
  ])('that cannot be kept because of %s is lost, and no write fails', async (code, expected) => {
    const path = join(newDirectory(), 'disk.overlay');
    let room = 2;
    const overlay = Overlay.open(
      { path, base, access: 'write' },
      {
        createPreservedFile: (dataPath) => {
          const file = createPreservedFile(dataPath);
          const write = (bytes: Buffer, offset: number) => {
            if (--room < 0) throw Object.assign(new Error(code), { code });
            file.write(bytes, offset);
          };
          return { ...file, write };
        },
      },
    );
    overlay.write(0, markedBytes(20_000, 1));
    const contents = contentsOf(overlay);
    const instant = await overlay.freeze();
    const disk = new FrozenOverlay(instant.shared, base);
    overlay.write(0, markedBytes(10, 2));
    overlay.write(8192, markedBytes(10, 2));
    expectSameBytes(contentsOf(disk), contents);
    overlay.write(100, markedBytes(19_000, 3));
    expect(codeOf(() => contentsOf(disk))).toBe(expected);
    instant.release();
    const expectedContents = Buffer.from(contents);
    markedBytes(10, 2).copy(expectedContents, 0);
    markedBytes(19_000, 3).copy(expectedContents, 100);
    expectSameBytes(contentsOf(overlay), expectedContents);
    disk.close();
    await overlay.close();
  });
});

describe.each(['ENOSPC', 'EDQUOT'])('where %s comes of what is kept', (code) => {
  const base = new MemoryBase(markedBytes(30_000, 0));
  // Operations of a write on its way to the data file, the list, and of a cut to the side file.
  const actions: readonly [string, number, (overlay: Overlay) => unknown][] = [
    ['a page', 0, (overlay) => overlay.write(4096, markedBytes(4096, 2))],
    ['the list', 1, (overlay) => overlay.write(24_576, markedBytes(4096, 2))],
    ['the side file', 0, (overlay) => overlay.truncate(18_000)],
    ['the list without what is dropped', 1, (o) => o.drop([{ pageIndex: 1, pageCount: 1 }])],
  ];

  test.each(actions)('it makes way for %s', async (_what, after, action) => {
    const path = join(newDirectory(), 'disk.overlay');
    const files = new FullDisk(code);
    const overlay = Overlay.open({ path, base, access: 'write' }, { ...files.environment });
    overlay.write(0, markedBytes(20_000, 1));
    const instant = await overlay.freeze();
    const disk = new FrozenOverlay(instant.shared, base);
    files.fillAfter(after);
    await action(overlay);
    expect(files.wasFull).toBe(true);
    expect(codeOf(() => contentsOf(disk))).toBe('NO_SPACE');
    disk.close();
    instant.release();
    await overlay.close();
  });
});

/** The files of this machine on a disk that becomes full, until what is preserved is given back. */
class FullDisk {
  wasFull = false;
  readonly #code: string;
  #writesLeft = Number.POSITIVE_INFINITY;

  constructor(code: string) {
    this.#code = code;
  }

  /** After so many writes to files that have names. */
  fillAfter(writes: number): void {
    this.#writesLeft = writes;
  }

  readonly environment: OverlayEnvironment = {
    files: {
      ...systemFiles,
      open: (path, access) => {
        const file = systemFiles.open(path, access);
        const write = file.write.bind(file);
        file.write = (bytes, offset) => {
          this.#takeRoom();
          write(bytes, offset);
        };
        return file;
      },
    },
    createPreservedFile: (path) => {
      const file = createPreservedFile(path);
      const clear = () => {
        this.#writesLeft = Number.POSITIVE_INFINITY;
        file.clear();
      };
      return { ...file, clear };
    },
  };

  #takeRoom(): void {
    if (--this.#writesLeft >= 0) return;
    this.wasFull = true;
    throw Object.assign(new Error(this.#code), { code: this.#code });
  }
}

const unique = <T>(value: T, index: number, values: readonly T[]): boolean =>
  values.indexOf(value) === index;

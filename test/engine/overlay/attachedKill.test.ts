import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectDirectory } from '../../support/fixtures.js';
import { MemoryBase } from '../../support/overlay/memoryBase.js';
import { overlayOpener } from '../../support/overlay/openOverlays.js';
import { stamped } from '../../support/overlay/stampedPages.js';
import { contentsOf } from '../../support/overlay/steps.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until } from '../../support/until.js';

const PAGE = 4096;
const PAGE_COUNT = 2000;
const SEGMENT = PAGE / 4;
/** Segment, page and stamp. */
const NOTE_BYTES = 12;
const newDirectory = temporaryDirectories();
const openOverlay = overlayOpener();
const program = join(projectDirectory, 'test/support/overlay/writeUntilKilled.mjs');

test.each([1, 2, 3])(
  'what threads were answered is there after SIGKILL, with nothing in it torn (%i)',
  async (time) => {
    const directory = newDirectory();
    const path = join(directory, 'disk.overlay');
    const logPath = join(directory, 'answered');
    const settings = { path, logPath, pageCount: PAGE_COUNT, threads: 3 };
    const child = fork(program, [JSON.stringify(settings)]);
    const ended = once(child, 'exit');
    try {
      await until(
        'writes',
        () => existsSync(logPath) && statSync(logPath).size > time * 1000 * NOTE_BYTES,
      );
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    const overlay = openOverlay(path, new MemoryBase(stamped(PAGE_COUNT, 1)));
    expect(overlay.findings.map(({ kind }) => kind)).not.toContain('duplicates');
    const contents = contentsOf(overlay);
    expect(contents.length).toBe(PAGE_COUNT * PAGE);
    const answered = new Map<number, number>();
    const log = readFileSync(logPath);
    for (let at = 0; at + NOTE_BYTES <= log.length; at += NOTE_BYTES) {
      const [segment, page, stamp] = [0, 4, 8].map((field) => log.readUInt32LE(at + field));
      answered.set((page ?? 0) * PAGE + (segment ?? 0) * SEGMENT, stamp ?? 0);
    }
    const wrong: string[] = [];
    for (let offset = 0; offset < contents.length; offset += SEGMENT) {
      const stamp = contents.readUInt32LE(offset);
      const isWhole = contents.subarray(offset, offset + SEGMENT).equals(segmentOf(stamp));
      // A later write may be there, which was not noted yet.
      if (stamp < (answered.get(offset) ?? 1)) wrong.push(`${offset} lost what was answered`);
      if (!isWhole) wrong.push(`${offset} is torn`);
    }
    expect(wrong).toEqual([]);
  },
);

const segmentOf = (stamp: number): Buffer => stamped(1, stamp).subarray(0, SEGMENT);

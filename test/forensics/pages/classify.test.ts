import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  type ClassifyOptions,
  classifyPages,
  type PageRun,
} from '../../../src/forensics/pages/classify.js';
import { sameRunAtOf } from '../../../src/forensics/pages/sameRun.js';
import { streamSource } from '../../../src/forensics/streamSource.js';
import { openSnapshot } from '../../../src/index.js';
import { bufferSource } from '../../support/bufferSource.js';
import { projectDirectory } from '../../support/fixtures.js';
import { packSnapshot } from '../../support/snapshots.js';
import { temporaryDirectories } from '../../support/temporary.js';

const PAGE_BYTES = 4096;
const newDirectory = temporaryDirectories();

function runsOf(bytes: Buffer, options?: ClassifyOptions): PageRun[] {
  const runs: PageRun[] = [];
  for (const step of classifyPages(bufferSource(bytes), options)) {
    if (step.kind === 'run') runs.push(step);
  }
  return runs;
}

const brief = ({ startOffset, length, class: pageClass }: PageRun) =>
  `${startOffset}+${length} ${pageClass}`;

/** Share of the bytes that are of a class. */
function shareOf(bytes: Buffer, pageClass: string): number {
  const ofClass = runsOf(bytes).filter((run) => run.class === pageClass);
  return ofClass.reduce((sum, { length }) => sum + length, 0) / bytes.length;
}

const noise = (length: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, index) =>
      createHash('sha256').update(String(index)).digest(),
    ),
  ).subarray(0, length);

const docs = ['architecture.md', 'format.md', 'errors.md'].map((name) =>
  readFileSync(join(projectDirectory, 'docs', name)),
);

/** The machine code of the running Node, from the section headers of its file. */
function nodeCode(): Buffer | undefined {
  const file = readFileSync(process.execPath);
  if (process.arch !== 'x64' || file.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const tableOffset = Number(file.readBigUInt64LE(0x28));
  const entryBytes = file.readUInt16LE(0x3a);
  const header = (index: number) => file.subarray(tableOffset + index * entryBytes);
  const placeOf = (at: Buffer) => Number(at.readBigUInt64LE(0x18));
  const names = file.subarray(placeOf(header(file.readUInt16LE(0x3e))));
  for (let index = 0; index < file.readUInt16LE(0x3c); index++) {
    const nameOffset = header(index).readUInt32LE(0);
    if (names.toString('latin1', nameOffset, nameOffset + 6) !== '.text\0') continue;
    const start = placeOf(header(index));
    return file.subarray(start, start + Number(header(index).readBigUInt64LE(0x20)));
  }
  return undefined;
}

describe('what pages look like', () => {
  test('text: ASCII, UTF-8 and UTF-16, with zeros that fill its last page', () => {
    const text = Buffer.concat(docs);
    expect(shareOf(text, 'text')).toBe(1);
    const padded = Buffer.alloc(PAGE_BYTES);
    text.copy(padded, 0, 0, 300);
    expect(runsOf(padded).map(brief)).toEqual(['0+4096 text']);
    const russian = Buffer.from('Съешь же ещё этих мягких французских булок. '.repeat(500));
    expect(shareOf(russian, 'text')).toBe(1);
    const wide = Buffer.from(text.toString('latin1'), 'utf16le');
    expect(shareOf(wide, 'text')).toBe(1);
    expect(shareOf(wide.swap16(), 'text')).toBe(1);
  });

  test('high entropy: noise and what is compressed', () => {
    expect(shareOf(noise(256 * 1024), 'entropy')).toBe(1);
    const compressed = deflateRawSync(Buffer.concat(docs));
    expect(shareOf(compressed, 'entropy')).toBeGreaterThan(0.9);
  });

  test('code: that of Node', () => {
    const code = nodeCode();
    if (code === undefined) {
      console.warn('skipped: Node is no ELF file for x86-64 here');
      return;
    }
    expect(shareOf(code.subarray(0, 16 * 1024 * 1024), 'code')).toBeGreaterThan(0.9);
  });

  test('zeros, and anything else', () => {
    const numbers = Buffer.alloc(2 * PAGE_BYTES);
    for (let at = 0; at < numbers.length; at += 4) numbers.writeUInt32LE(at * 3, at);
    const bytes = Buffer.concat([Buffer.alloc(3 * PAGE_BYTES), numbers, Buffer.alloc(100)]);
    expect(runsOf(bytes).map(brief)).toEqual([
      '0+12288 zero',
      '12288+8192 other',
      '20480+100 zero',
    ]);
  });
});

describe('runs', () => {
  const bytes = Buffer.concat([
    Buffer.alloc(PAGE_BYTES),
    noise(600 * PAGE_BYTES),
    Buffer.alloc(50),
  ]);

  test('go on over pieces, and end at gaps and classes', () => {
    const end = 601 * PAGE_BYTES;
    expect(runsOf(bytes).map(brief)).toEqual([
      '0+4096 zero',
      `4096+${600 * PAGE_BYTES} entropy`,
      `${end}+50 zero`,
    ]);
    const ranges = [
      { startOffset: 5000, length: 4000 },
      { startOffset: 20_000, length: end - 20_000 },
    ];
    const parts = runsOf(bytes, { ranges });
    expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(4000 + end - 20_000);
    expect(parts.at(-1)?.class).toBe('entropy');
  });

  test('what is known is not read, but for pages that are known in part', () => {
    const sameRunAt = (offset: number, limit: number) =>
      offset >= 10_000 && offset < 30_000 ? Math.min(limit, 30_000 - offset) : 0;
    const zeroRunAt = (offset: number, limit: number) =>
      offset < 6000 ? Math.min(limit, 6000 - offset) : 0;
    expect(runsOf(bytes, { sameRunAt, zeroRunAt }).map(brief)).toEqual([
      '0+4096 zero',
      '4096+8192 entropy',
      '12288+16384 same',
      `28672+${601 * PAGE_BYTES - 28_672} entropy`,
      `${601 * PAGE_BYTES}+50 zero`,
    ]);
  });

  test('progress ends with everything done', () => {
    const steps = [...classifyPages(bufferSource(bytes))];
    expect(steps.filter(({ kind }) => kind === 'progress').at(-1)).toEqual({
      kind: 'progress',
      doneBytes: bytes.length,
      totalBytes: bytes.length,
    });
  });

  test('two snapshots: what their indexes show to be the same', () => {
    const directory = newDirectory();
    const before = noise(300_000);
    const after = Buffer.from(before);
    after.fill('changed. ', 65_536, 65_536 + PAGE_BYTES);
    const [base, snapshot] = [before, after].map((disk, index) =>
      openSnapshot(packSnapshot(join(directory, `${index}.hxz`), { disk })),
    );
    if (base === undefined || snapshot === undefined) throw new Error('no snapshots');
    const sameRunAt = sameRunAtOf(snapshot, base, 'disk');
    const source = streamSource(snapshot, 'disk');
    const runs = [...classifyPages(source, { sameRunAt })].filter(({ kind }) => kind === 'run');
    expect((runs as PageRun[]).map(brief)).toEqual([
      '0+65536 same',
      '65536+4096 text',
      '69632+61440 entropy',
      '131072+168928 same',
    ]);
    expect(sameRunAtOf(snapshot, snapshot, 'disk')(5, 100)).toBe(100);
    expect(sameRunAt(300_000, 10)).toBe(0);
    for (const one of [base, snapshot]) one.close();
  });
});

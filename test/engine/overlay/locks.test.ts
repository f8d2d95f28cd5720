import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { errorOf } from '../../support/errors.js';
import { projectDirectory } from '../../support/fixtures.js';
import { MemoryBase, markedBytes } from '../../support/overlay/memoryBase.js';
import { everythingIn, overlayOpener, readRange } from '../../support/overlay/openOverlays.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const open = overlayOpener();
const base = new MemoryBase(markedBytes(10_000, 0));
const listOf = (path: string): string => join(dirname(path), 'disk.meta');
const newPath = (name = 'disk.overlay'): string => join(newDirectory(), name);

/** An overlay with one write in it. */
async function closedOverlay(): Promise<string> {
  const path = newPath();
  const overlay = open(path, base);
  overlay.write(0, Buffer.from('abc'));
  await overlay.close();
  return path;
}

describe('within one process', () => {
  test('a second writer is refused, and told who the first is', async () => {
    const path = newPath();
    const first = open(path, base, { mountpoint: '/mnt/first' });
    const before = everythingIn(dirname(path));
    const error = errorOf(() => open(path, base, { mountpoint: '/mnt/second' }));
    expect([error.code, error.exitStatus]).toEqual(['OVERLAY_LOCKED', 7]);
    expect(error.message).toContain(String(process.pid));
    expect(error.message).toContain('/mnt/first');
    expect(error.hint).toContain('/mnt/first');
    expect(everythingIn(dirname(path))).toEqual(before);
    await first.close();
    open(path, base);
  });

  test('a reader is refused while a writer is there, and told who that is', () => {
    const path = newPath();
    open(path, base, { mountpoint: '/mnt/writer' });
    const error = errorOf(() => open(path, base, { access: 'read' }));
    expect(error.code).toBe('OVERLAY_LOCKED');
    expect(error.message).toContain(String(process.pid));
    expect(error.message).toContain('/mnt/writer');
    expect(error.hint).toContain('/mnt/writer');
  });

  test('a writer is refused while readers are there, who do not disturb each other', async () => {
    const path = await closedOverlay();
    const readers = [1, 2].map(() => open(path, base, { access: 'read' }));
    const error = errorOf(() => open(path, base));
    expect(error.code).toBe('OVERLAY_LOCKED');
    for (const reader of readers) await reader.close();
    open(path, base);
  });

  test('a lock ends with an opening that failed', async () => {
    const path = await closedOverlay();
    errorOf(() => open(path, new MemoryBase(base.bytes, 'another')));
    open(path, base);
  });

  test('another name of the same data file leads to the same lock', async () => {
    const path = await closedOverlay();
    const link = join(newDirectory(), 'disk.overlay');
    linkSync(path, link);
    linkSync(listOf(path), listOf(link));
    open(path, base);
    expect(errorOf(() => open(link, base)).code).toBe('OVERLAY_LOCKED');
  });

  test('a symbolic link is no name of an overlay', async () => {
    const path = await closedOverlay();
    const link = join(newDirectory(), 'disk.overlay');
    symlinkSync(path, link);
    const error = errorOf(() => open(link, base));
    expect([error.code, error.message]).toEqual(['OVERLAY_UNUSABLE', 'it is a symbolic link']);
  });

  test('two data files whose lists have one name are not open at once', () => {
    const path = newPath('disk.overlay');
    const other = join(dirname(path), 'disk.img');
    writeFileSync(other, '');
    open(path, base);
    expect(errorOf(() => open(other, base)).code).toBe('OVERLAY_LOCKED');
  });
});

test.each(['entries', 'no entries'])(
  'a new data file does not take over a list that has %s',
  async (kind) => {
    const path = kind === 'entries' ? await closedOverlay() : newPath('disk.overlay');
    if (kind === 'no entries') await open(path, base).close();
    const before = everythingIn(dirname(path));
    const other = join(dirname(path), 'disk.img');
    const error = errorOf(() => open(other, base));
    expect([error.code, error.location.file]).toEqual([
      'OVERLAY_DAMAGED',
      join(dirname(path), 'disk.meta'),
    ]);
    expect(existsSync(other)).toBe(false);
    expect(everythingIn(dirname(path))).toEqual(before);
  },
);

describe('between processes', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** Another process that has an overlay open; it has written what it was told to. */
  async function holder(
    path: string,
    access: 'read' | 'write',
    writes: readonly { readonly offset: number; readonly text: string }[] = [],
  ): Promise<ChildProcess> {
    const support = join(projectDirectory, 'test', 'support');
    const settings = { path, access, writes, baseLength: base.length, mountpoint: '/mnt/other' };
    const child = fork(join(support, 'overlay', 'holdOverlay.ts'), [JSON.stringify(settings)], {
      execArgv: ['--import', join(support, 'typescript.mjs')],
    });
    children.push(child);
    const [message] = (await once(child, 'message')) as [unknown];
    expect(message).toBe('open');
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  test('a writer is named by its process and its mountpoint', async () => {
    const path = newPath();
    const child = await holder(path, 'write');
    for (const access of ['read', 'write'] as const) {
      const error = errorOf(() => open(path, base, { access }));
      expect(error.code).toBe('OVERLAY_LOCKED');
      expect(error.message).toMatch(new RegExp(`\\b${child.pid}\\b`));
      expect(error.message).toContain('/mnt/other');
    }
  });

  test('a reader keeps a writer away', async () => {
    const path = await closedOverlay();
    const child = await holder(path, 'read');
    expect(errorOf(() => open(path, base)).code).toBe('OVERLAY_LOCKED');
    open(path, base, { access: 'read' });
    await kill(child);
  });

  test('the lock of a process that was killed is taken over, and what it wrote is there', async () => {
    const path = newPath();
    const writes = [
      { offset: 4090, text: 'across two pages' },
      { offset: 15_000, text: 'behind the end' },
    ];
    await kill(await holder(path, 'write', writes));
    const overlay = open(path, base);
    expect([overlay.length, overlay.warnings]).toEqual([
      15_014,
      ['its last writer did not close it; all of its writes are there'],
    ]);
    for (const { offset, text } of writes) {
      expectSameBytes(readRange(overlay, offset, text.length), Buffer.from(text));
    }
    await overlay.close();
    expect(readdirSync(dirname(path))).toHaveLength(3);
  });
});

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pty from '@lydell/node-pty';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  everythingIsData,
  type HoleFinder,
  systemHoleFinder,
} from '../../../src/engine/write/holes.js';
import { openInput, type StreamInput } from '../../../src/engine/write/input.js';
import { codeOf, errorOf } from '../../support/errors.js';
import { requires } from '../../support/requires.js';
import { expectSameBytes, someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { makePipe } from '../../support/tools.js';

const newDirectory = temporaryDirectories();
const newPath = () => join(newDirectory(), 'input');

function newFile(bytes: Buffer): string {
  const path = newPath();
  writeFileSync(path, bytes);
  return path;
}

/** Everything, holes left out where they are told, in pieces of some length. */
async function readAll(input: StreamInput, pieceLength = 10_000): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (;;) {
    const hole = input.holeLength();
    if (hole > 0) {
      pieces.push(Buffer.alloc(hole));
      input.skip(hole);
      continue;
    }
    const target = Buffer.alloc(pieceLength);
    const count = await input.read(target);
    pieces.push(target.subarray(0, count));
    if (count < pieceLength) return Buffer.concat(pieces);
  }
}

async function used<T>(input: StreamInput, action: (input: StreamInput) => T): Promise<T> {
  try {
    return await action(input);
  } finally {
    input.close();
    input.close();
  }
}

describe('a regular file', () => {
  test('is read without a promise, from front to back', async () => {
    const bytes = someBytes(12_345);
    await used(openInput(newFile(bytes)), (input) => {
      expect(input.length).toBe(12_345);
      const target = Buffer.alloc(10_000);
      expect(input.read(target)).toBe(10_000);
      expectSameBytes(target, bytes.subarray(0, 10_000));
      expect(input.read(target)).toBe(2345);
      expectSameBytes(target.subarray(0, 2345), bytes.subarray(10_000));
      expect(input.read(target)).toBe(0);
    });
  });

  test('may be read anywhere in between', async () => {
    const bytes = someBytes(10_000);
    await used(openInput(newFile(bytes)), async (input) => {
      const target = Buffer.alloc(3000);
      input.read(target);
      expect(input.readAt?.(target, 8000)).toBe(2000);
      expectSameBytes(target.subarray(0, 2000), bytes.subarray(8000));
      expect([input.readAt?.(target, 10_000), input.readAt?.(target, 20_000)]).toEqual([0, 0]);
      expectSameBytes(await readAll(input), bytes.subarray(3000));
    });
  });

  test('may be empty, and may be a link', async () => {
    const path = newPath();
    symlinkSync(newFile(Buffer.alloc(0)), path);
    await used(openInput(path), async (input) => {
      expect(input.length).toBe(0);
      expect(await readAll(input)).toEqual(Buffer.alloc(0));
    });
  });

  test('that says it is empty and is not, is read to its end', async () => {
    await used(openInput('/proc/self/status'), async (input) => {
      expect(input.length).toBeUndefined();
      expect((await readAll(input, 100)).toString()).toMatch(/^Name:.*\n$/s);
    });
  });

  test('that grows ends where it ended', async () => {
    const bytes = someBytes(5000);
    const path = newFile(bytes);
    await used(openInput(path), async (input) => {
      expect(input.wasModified()).toBe(false);
      appendFileSync(path, 'more');
      expectSameBytes(await readAll(input), bytes);
      expect(input.readAt?.(Buffer.alloc(10), 4999)).toBe(1);
      expect(input.wasModified()).toBe(true);
    });
  });

  test('that becomes shorter is an error', async () => {
    const path = newFile(someBytes(5000));
    await used(openInput(path), (input) => {
      input.read(Buffer.alloc(1000));
      truncateSync(path, 3000);
      const error = errorOf(() => input.read(Buffer.alloc(4000)));
      expect([error.code, error.location.file, error.message]).toEqual([
        'UNREADABLE',
        path,
        'cannot read it: it became shorter while it was read',
      ]);
    });
  });

  test('is not read once it is closed', () => {
    const input = openInput(newFile(someBytes(10)));
    input.close();
    expect(codeOf(() => input.read(Buffer.alloc(1)))).toBe('UNREADABLE');
  });
});

/** A layer that counts what is asked. */
function spied(finder: HoleFinder) {
  return { nextData: vi.fn(finder.nextData), nextHole: vi.fn(finder.nextHole) };
}

const finder = systemHoleFinder();
if (finder === undefined) console.warn('skipped what needs koffi: holes of sparse files');

describe.runIf(finder !== undefined)('a sparse file', () => {
  const system = finder ?? everythingIsData;

  test('of a tebibyte is passed over at once', async () => {
    const path = newPath();
    const descriptor = openSync(path, 'w');
    ftruncateSync(descriptor, 2 ** 40);
    writeSync(descriptor, 'x', 2 ** 39);
    closeSync(descriptor);
    const holes = spied(system);
    await used(openInput(path, holes), (input) => {
      expect(input.length).toBe(2 ** 40);
      const before = input.holeLength();
      expect(before).toBeGreaterThan(2 ** 39 - 2 ** 20);
      input.skip(before);
      const target = Buffer.alloc(2 ** 39 - before + 1);
      expect([input.holeLength(), input.read(target)]).toEqual([0, target.length]);
      expect(target.indexOf('x')).toBe(target.length - 1);
      // To the end of the file system's block.
      const rest = Buffer.alloc(2 ** 20);
      while (input.holeLength() === 0) input.read(rest.subarray(0, 512));
      input.skip(input.holeLength());
      expect([input.holeLength(), input.read(target)]).toEqual([0, 0]);
    });
    expect(holes.nextData.mock.calls.length + holes.nextHole.mock.calls.length).toBeLessThan(10);
  });

  test('reads the same with its holes and without', async () => {
    const parts = fc.array(
      fc.record({ length: fc.integer({ min: 1, max: 40_000 }), isHole: fc.boolean() }),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(parts, fc.integer({ min: 1, max: 30_000 }), async (list, pieceLength) => {
        const path = newPath();
        const descriptor = openSync(path, 'w');
        let length = 0;
        for (const part of list) {
          if (!part.isHole) writeSync(descriptor, someBytes(part.length), 0, part.length, length);
          length += part.length;
        }
        ftruncateSync(descriptor, length);
        closeSync(descriptor);
        for (const holes of [system, everythingIsData]) {
          await used(openInput(path, holes), async (input) => {
            expectSameBytes(await readAll(input, pieceLength), readFileSync(path));
          });
        }
      }),
      { numRuns: 40 },
    );
  });

  test('is read with reads between holes as if there were none', async () => {
    const path = newFile(Buffer.alloc(0));
    truncateSync(path, 300_000);
    await used(openInput(path), (input) => {
      const target = Buffer.alloc(100_000, 0xa5);
      expect(input.read(target)).toBe(100_000);
      expect(target.equals(Buffer.alloc(100_000))).toBe(true);
      expect(input.holeLength()).toBe(200_000);
      input.skip(150_000);
      expect(input.read(target)).toBe(50_000);
    });
  });

  test('that becomes shorter is not taken for one that goes on as a hole', async () => {
    const path = newFile(someBytes(100_000));
    await used(openInput(path), (input) => {
      input.read(Buffer.alloc(100));
      truncateSync(path, 100);
      expect(codeOf(() => input.holeLength())).toBe('UNREADABLE');
    });
  });

  test('is not asked about where its data go on', async () => {
    const holes = spied(system);
    await used(openInput(newFile(someBytes(100_000)), holes), async (input) => {
      await readAll(input, 1000);
    });
    expect([holes.nextData.mock.calls.length, holes.nextHole.mock.calls.length]).toEqual([1, 1]);
  });
});

test('where nobody can tell holes, everything is read', async () => {
  const path = newFile(Buffer.alloc(0));
  truncateSync(path, 100_000);
  await used(openInput(path, everythingIsData), async (input) => {
    expect(input.holeLength()).toBe(0);
    expectSameBytes(await readAll(input), Buffer.alloc(100_000));
  });
});

describe('what is refused', () => {
  test.each([
    ['/absent', 'cannot open it: no such file or directory'],
    ['/', 'cannot read it: it is a directory'],
    ['/dev/zero', 'cannot read it: it has no end'],
    ['/dev/full', 'cannot read it: it has no end'],
    ['/dev/random', 'cannot read it: it has no end'],
    ['/dev/urandom', 'cannot read it: it has no end'],
  ])('%s', (path, message) => {
    const error = errorOf(() => openInput(path));
    expect([error.code, error.location.file, error.message]).toEqual(['UNREADABLE', path, message]);
  });

  test('a terminal', async () => {
    const terminal = pty.spawn(process.execPath, [...copyArguments, '-'], {});
    let shown = '';
    terminal.onData((data) => {
      shown += data;
    });
    await new Promise((resolve) => terminal.onExit(resolve));
    expect(shown).toContain('standard input: cannot read it: it is a terminal');
  });
});

test('a character device that has an end is read to it', async () => {
  await used(openInput('/dev/null'), async (input) => {
    expect(input.length).toBeUndefined();
    expect(await readAll(input)).toEqual(Buffer.alloc(0));
  });
});

describe('a named pipe', () => {
  test('is read as it is written, whatever the pieces', async () => {
    const path = newPath();
    makePipe(path);
    const bytes = someBytes(1_000_003);
    const reading = used(openInput(path), (input) => {
      expect([input.length, input.holeLength(), input.readAt]).toEqual([undefined, 0, undefined]);
      return readAll(input, 70_000);
    });
    const writer = await open(path, 'w');
    for (let offset = 0; offset < bytes.length; offset += 333_333) {
      await writer.write(bytes, offset, Math.min(333_333, bytes.length - offset));
    }
    await writer.close();
    expectSameBytes(await reading, bytes);
  });

  test('that nobody opened yet, or nobody writes to, holds up nothing', async () => {
    const path = newPath();
    makePipe(path);
    const input = openInput(path);
    const reading = Promise.resolve(input.read(Buffer.alloc(10)));
    const writer = await open(path, 'w');
    await writer.write('abc');
    await writer.close();
    expect(await reading).toBe(3);
    input.close();
  });

  test('may be closed while it is read', async () => {
    const path = newPath();
    makePipe(path);
    const input = openInput(path);
    const writer = await open(path, 'w');
    const reading = Promise.resolve(input.read(Buffer.alloc(10)));
    input.close();
    await expect(reading).rejects.toMatchObject({ code: 'UNREADABLE' });
    await writer.close();
  });
});

const supportPath = (name: string) =>
  fileURLToPath(new URL(`../../support/${name}`, import.meta.url));
const copyArguments = [
  '--import',
  supportPath('typescript.mjs'),
  supportPath('write/copyInput.ts'),
];

describe('standard input', () => {
  test('may be a pipe', () => {
    const bytes = someBytes(300_001);
    const { stdout, stderr } = spawnSync(process.execPath, [...copyArguments, '-'], {
      input: bytes,
    });
    expect(stderr.toString()).toBe('length undefined\n');
    expectSameBytes(stdout, bytes);
  });

  test('may be a file, of which somebody has read a part', () => {
    const bytes = someBytes(300_001);
    const descriptor = openSync(newFile(bytes), 'r');
    readSync(descriptor, Buffer.alloc(1001));
    const { stdout, stderr } = spawnSync(process.execPath, [...copyArguments, '-'], {
      stdio: [descriptor, 'pipe', 'pipe'],
    });
    closeSync(descriptor);
    expect(stderr.toString()).toBe('length 299000\n');
    expectSameBytes(stdout, bytes.subarray(1001));
  });

  test('may be nothing', () => {
    const { stdout, stderr } = spawnSync(process.execPath, [...copyArguments, '-'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect([stdout.length, stderr.toString()]).toEqual([0, 'length undefined\n']);
  });
});

describe('a signal', () => {
  test.each(['-', 'a named pipe'])('ends whoever waits for bytes from %s', async (name) => {
    const path = name === '-' ? '-' : newPath();
    if (path !== '-') makePipe(path);
    const child = spawn(process.execPath, [...copyArguments, path], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    const exit = once(child, 'exit');
    await once(child.stderr, 'data');
    child.kill('SIGINT');
    expect(await exit).toEqual([null, 'SIGINT']);
  });
});

describe.runIf(requires('root', 'loop devices'))('a block device', () => {
  test('is read without a promise, and its length is known', async () => {
    const bytes = someBytes(1_048_576);
    const path = newFile(bytes);
    const attached = spawnSync('losetup', ['--find', '--show', '--read-only', path]);
    const device = attached.stdout.toString().trim();
    try {
      await used(openInput(device), async (input) => {
        expect([input.length, input.holeLength()]).toEqual([bytes.length, 0]);
        const target = Buffer.alloc(1000);
        expect(input.readAt?.(target, 5000)).toBe(1000);
        expectSameBytes(target, bytes.subarray(5000, 6000));
        expectSameBytes(await readAll(input), bytes);
        expect(input.wasModified()).toBe(false);
      });
    } finally {
      spawnSync('losetup', ['--detach', device]);
    }
  });
});

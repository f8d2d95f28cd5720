import { expect, test } from 'vitest';
import { negotiate } from '../../../../src/engine/fuse/kernel/initialisation.js';
import { initFlags, initIn, initOut } from '../../../../src/engine/fuse/kernel/protocol.js';

const ALL = 0xffff_ffff;

function init(values: Partial<Record<'major' | 'minor' | 'maxReadahead' | 'flags', number>>) {
  const body = Buffer.alloc(64);
  initIn.encode({ major: 7, minor: 38, maxReadahead: 131_072, flags: ALL, ...values }, body);
  return body;
}

function agreed(body: Buffer, wantsWriteback = false) {
  const outcome = negotiate(body, wantsWriteback);
  if (outcome.kind !== 'agreed') throw new Error(outcome.kind);
  return initOut.decode(outcome.reply);
}

test('agrees on requests of 1 MiB', () => {
  expect(agreed(init({}))).toMatchObject({
    major: 7,
    minor: 38,
    maxReadahead: 131_072,
    maxWrite: 1024 * 1024,
    maxPages: 256,
    timeGranularity: 1,
  });
});

test.each([
  [31, 31],
  [38, 38],
  [45, 45],
  [99, 45],
])('with a kernel of version 7.%i it speaks 7.%i', (theirs, spoken) => {
  expect(agreed(init({ minor: theirs })).minor).toBe(spoken);
});

test('asks for nothing that the kernel does not offer', () => {
  const flags = initFlags.ASYNC_READ | (1 << 30);
  expect(agreed(init({ flags })).flags).toBe(initFlags.ASYNC_READ);
});

test('takes nothing that it cannot honour', () => {
  const known = Object.values(initFlags).reduce((sum, flag) => sum | flag, 0);
  expect(agreed(init({}), true).flags & ~known).toBe(0);
});

test('lets the kernel keep writes only where that is wanted', () => {
  expect(agreed(init({})).flags & initFlags.WRITEBACK_CACHE).toBe(0);
  expect(agreed(init({}), true).flags & initFlags.WRITEBACK_CACHE).not.toBe(0);
});

test('a kernel of a later major version is told which one we speak, and asks again', () => {
  const outcome = negotiate(init({ major: 8, minor: 0 }), false);
  if (outcome.kind !== 'again') throw new Error(outcome.kind);
  expect(initOut.decode(outcome.reply)).toMatchObject({ major: 7, flags: 0 });
});

test.each([
  { major: 7, minor: 30 },
  { major: 6, minor: 99 },
])('a kernel of version $major.$minor is too old', ({ major, minor }) => {
  expect(negotiate(init({ major, minor }), false)).toEqual({
    kind: 'refused',
    version: `${major}.${minor}`,
  });
});

test('a short request is that of an old kernel', () => {
  expect(negotiate(Buffer.alloc(0), false).kind).toBe('refused');
});

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { complete } from '../../src/repl/completion.js';
import { newSession, runRepl } from '../support/repl/runRepl.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();

const completions = async (line: string): Promise<readonly string[]> => {
  const session = newSession();
  session.bookmarks.set('super', 0x438);
  const { candidates, start } = await complete(session, line);
  for (const candidate of candidates) expect(candidate.startsWith(line.slice(start))).toBe(true);
  return candidates;
};

test.each([
  ['rea', ['read']],
  ['un', ['undo', 'unmount']],
  ['dirty; spl', ['split']],
  ['dirty;', expect.arrayContaining(['read', 'quit'])],
  ['read ', ['disk']],
  ['read d', ['disk']],
  ["read 'di", ["'disk'"]],
  ['read x ', expect.arrayContaining(['$super', 'end', '0x1000', '0x4000'])],
  ['read disk $', ['$super']],
  ['read disk 0x4', ['0x4000']],
  ['read memory 0', []],
  ['read disk 0 ', []],
  ['read disk --', ['--base', '--raw']],
  ['read --base disk --', ['--raw']],
  ['read --base ', ['disk']],
  ['find disk r', ['r:', 'r/']],
  ['commit a --compression ', ['lz4', 'zstd']],
  ['commit a --compression z', ['zstd']],
  ['keep ', ['all', 'open', '1', '4-6', '\\$super'.slice(1)]],
  ['keep 1 4', ['4-6']],
  ['assert ', ['hash', 'bytes', 'dirty', 'clean', 'open', 'length', 'found']],
  ['assert le', ['length']],
  ['assert length ', ['disk']],
  ['assert dirty >', ['>', '>=']],
  ['wait ', ['idle', 'events']],
  ['wait idle --', ['--timeout']],
  ['set ', ['write', 'format', 'pager']],
  ['set format t', ['text', 'table']],
  ['bookmark su', ['super']],
  ['help cl', ['classes', 'clear']],
  ['nonsense ', []],
  ['dirty | gr', []],
  ['dirty # re', []],
])('%j', async (line, expected) => {
  expect(await completions(line)).toEqual(expected);
});

test('offsets of what was found last, in the stream where it was found', async () => {
  const session = newSession({
    search: ({ pattern }) => ({
      batches: [
        Array.from({ length: pattern === 'many' ? 20 : 2 }, (_, index) => ({
          offset: 0x900 + index * 0x1000,
          length: 4,
          preview: '',
          previewOffset: 0,
        })),
      ],
      result: { found: 2, searchedBytes: 4 },
    }),
  });
  const candidatesOf = async (line: string) => (await complete(session, line)).candidates;
  await runRepl('find disk few', { session });
  expect(await candidatesOf('read disk ')).toEqual(['end', '0x900', '0x1900', '0x1000', '0x4000']);
  expect(await candidatesOf('read memory ')).toEqual(['end']);
  await runRepl('find memory many', { session });
  expect(await candidatesOf('read memory 0x')).toHaveLength(16);
  expect(await candidatesOf('read memory 0x13')).toEqual(['0x13900']);
});

test('files, quoted in the manner in which they were begun', async () => {
  const directory = newDirectory();
  mkdirSync(join(directory, 'sub'));
  for (const name of ['a b.txt', "it's", 'z']) writeFileSync(join(directory, name), '');
  for (const [line, expected] of [
    [
      `dirty > ${directory}/`,
      [`${directory}/a\\ b.txt`, `${directory}/it\\'s`, `${directory}/sub/`, `${directory}/z`],
    ],
    [`dirty > '${directory}/a`, [`'${directory}/a b.txt'`]],
    [`commit "${directory}/i`, [`"${directory}/it's"`]],
    [`mount ${directory}/`, [`${directory}/sub/`]],
    [`export disk 0 1 '${directory}/s`, [`'${directory}/sub/`]],
    [`sh cat ${directory}/z`, [`${directory}/z`]],
    [`dirty > ${directory}/none/`, []],
  ] as const) {
    expect([...(await completions(line))].sort()).toEqual([...expected].sort());
  }
});

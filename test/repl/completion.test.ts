import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { complete } from '../../src/repl/completion.js';
import { newSession } from '../support/repl/runRepl.js';
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

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type OverlayFiles, systemFiles } from '../../../src/engine/overlay/files.js';
import { markedBytes, randomFrom } from '../../support/overlay/memoryBase.js';
import { SimulatedFiles } from '../../support/overlay/simulatedFiles.js';
import { runs } from '../../support/overlay/steps.js';
import { expectSameBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const newDirectory = temporaryDirectories();
const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;

const name = fc.constantFrom('a', 'b', 'c');
const operation = fc.oneof(
  fc.record({ kind: fc.constant('write'), name, offset: fc.nat(9000), length: fc.nat(9000) }),
  fc.record({ kind: fc.constant('truncate'), name, length: fc.nat(20_000) }),
  fc.record({ kind: fc.constant('rename'), name, to: name }),
  fc.record({ kind: fc.constantFrom('create', 'open', 'remove', 'read', 'sync'), name }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** What an operation answers: bytes, a length, or the code of an error. */
function answerOf(files: OverlayFiles, directory: string, step: Operation, seed: number): unknown {
  const path = join(directory, step.name);
  try {
    if ('to' in step) return files.rename(path, join(directory, step.to));
    if (step.kind === 'remove') return files.remove(path);
    const file = files.open(path, step.kind === 'create' ? 'create' : 'write');
    try {
      if ('offset' in step) file.write(markedBytes(step.length, seed), step.offset);
      else if ('length' in step) file.truncate(step.length);
      else if (step.kind === 'sync') file.sync();
      const bytes = Buffer.alloc(30_000);
      return [file.length(), bytes.toString('hex', 0, file.read(bytes, 0))];
    } finally {
      file.close();
    }
  } catch (error) {
    return codeOf(error);
  }
}

test('the simulated files answer as those of this machine', () => {
  const parent = newDirectory();
  let number = 0;
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40, size: 'max' }), (steps) => {
      const directory = join(parent, String(number++));
      mkdirSync(directory);
      const simulated = new SimulatedFiles();
      steps.forEach((step, index) => {
        const expected = answerOf(systemFiles, directory, step, index);
        expect(answerOf(simulated, directory, step, index)).toEqual(expected);
      });
      const names = readdirSync(directory).sort();
      expect(simulated.paths).toEqual(names.map((each) => join(directory, each)));
      for (const each of names) {
        const path = join(directory, each);
        expectSameBytes(simulated.contentsOf(path), readFileSync(path));
      }
    }),
    runs(60, 1),
  );
});

describe('after a power cut', () => {
  const path = '/file';

  /** Everything that may be left of what was done. */
  function outcomes(files: SimulatedFiles): Set<string> {
    const random = randomFrom(1);
    const found = new Set<string>();
    for (let cut = 0; cut < 500; cut++) {
      const left = files.powerCutAfter(files.journal.length, random);
      found.add(left.paths.map((each) => `${each}=${left.contentsOf(each)}`).join(' '));
    }
    return found;
  }

  function syncedFile(text: string): SimulatedFiles {
    const files = new SimulatedFiles();
    const file = files.open(path, 'create');
    file.write(Buffer.from(text), 0);
    file.sync();
    file.close();
    files.syncDirectory('/');
    return files;
  }

  test('what was synced is there', () => {
    expect(outcomes(syncedFile('old'))).toEqual(new Set(['/file=old']));
  });

  test('what was not synced is there or not', () => {
    const files = syncedFile('old');
    files.open(path, 'write').write(Buffer.from('new!'), 0);
    // Old or new bytes, with or without the length.
    expect(outcomes(files)).toEqual(
      new Set(['/file=old', '/file=new', '/file=new!', '/file=old\0']),
    );
  });

  test('writes that were not synced do not keep their order', () => {
    const files = syncedFile('ab');
    const file = files.open(path, 'write');
    file.write(Buffer.from('A'), 0);
    file.write(Buffer.from('B'), 1);
    expect(outcomes(files)).toEqual(new Set(['/file=ab', '/file=Ab', '/file=aB', '/file=AB']));
  });

  test('a write is torn between sectors only', () => {
    const files = syncedFile('');
    const file = files.open(path, 'write');
    file.write(Buffer.alloc(1024, 'a'), 0);
    file.sync();
    file.write(Buffer.alloc(1024, 'b'), 0);
    const half = (text: string): string => text.repeat(512);
    const pairs = ['aa', 'ab', 'ba', 'bb'];
    expect(outcomes(files)).toEqual(
      new Set(pairs.map(([a = '', b = '']) => `/file=${half(a)}${half(b)}`)),
    );
  });

  test('a truncation that was not synced is there or not', () => {
    const files = syncedFile('abcd');
    files.open(path, 'write').truncate(2);
    expect(outcomes(files)).toEqual(new Set(['/file=ab', '/file=abcd']));
  });

  test('a new name is there or not, and what replaces another is whole', () => {
    const files = syncedFile('old');
    const file = files.open('/new', 'create');
    file.write(Buffer.from('new'), 0);
    file.sync();
    expect(outcomes(files)).toEqual(new Set(['/file=old', '/file=old /new=new']));
    files.rename('/new', path);
    expect(outcomes(files)).toEqual(new Set(['/file=old', '/file=old /new=new', '/file=new']));
    files.syncDirectory('/');
    expect(outcomes(files)).toEqual(new Set(['/file=new']));
  });

  test('a renaming that is kept is that of the file, whatever has its old name', () => {
    const files = syncedFile('left over');
    files.remove(path);
    const file = files.open(path, 'create');
    file.write(Buffer.from('new'), 0);
    file.sync();
    files.rename(path, '/other');
    for (const outcome of outcomes(files)) expect(outcome).not.toContain('/other=left over');
  });

  test('a sync covers what was written before it was asked for', async () => {
    const files = syncedFile('old');
    const file = files.open(path, 'write');
    const sync = file.syncLater();
    file.write(Buffer.from('new'), 0);
    await sync;
    expect(outcomes(files)).toEqual(new Set(['/file=old', '/file=new']));
  });
});

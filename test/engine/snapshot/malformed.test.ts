import { describe, expect, test } from 'vitest';
import { streamNames } from '../../../src/engine/format/types.js';
import { openSnapshot, verifyChain } from '../../../src/index.js';
import { codeOf } from '../../support/errors.js';
import { malformedFixtures, malformedPath, sha256 } from '../../support/fixtures.js';
import { readStream } from '../../support/streams.js';

/** What a file may take. Deriving the key of an encrypted one is not counted, being slow by design. */
const MAX_MS = 2000;

const passwordsOf = ({ password }: { password: string | null }): string[] =>
  password === null ? [] : [password];

describe('reading all of a malformed file', () => {
  test.each(malformedFixtures)('$id: $expected', (fixture) => {
    const startedAt = performance.now();
    const streams: Record<string, { size: number; sha256: string }> = {};
    const code = codeOf(() => {
      const snapshot = openSnapshot(malformedPath(fixture.file), {
        passwords: passwordsOf(fixture),
      });
      try {
        for (const stream of streamNames) {
          const bytes = readStream(snapshot, stream);
          streams[stream] = { size: bytes.length, sha256: sha256(bytes) };
        }
      } finally {
        snapshot.close();
      }
    });
    expect(code).toBe(fixture.expected);
    if (code === 'ok') expect(streams).toEqual(fixture.reader_streams);
    if (fixture.password === null) expect(performance.now() - startedAt).toBeLessThan(MAX_MS);
  });
});

describe('an error of a malformed file', () => {
  const damaged = malformedFixtures.filter(({ expected }) => expected !== 'ok');

  test.each(damaged)('$id is one line that names a file', (fixture) => {
    let line = '';
    try {
      const snapshot = openSnapshot(malformedPath(fixture.file), {
        passwords: passwordsOf(fixture),
      });
      try {
        for (const { finding } of verifyChain(snapshot)) line ||= finding?.error.toLine() ?? '';
      } finally {
        snapshot.close();
      }
    } catch (error) {
      line = (error as { toLine(): string }).toLine();
    }
    expect(line).toMatch(/^\S*\.hxz: /);
    expect(line).not.toContain('\n');
  });
});

test('there are 83 malformed files', () => {
  expect(malformedFixtures).toHaveLength(83);
});

import { describe, expect, test, vi } from 'vitest';
import { info } from '../../src/cli/info.js';
import type { HexzCode } from '../../src/index.js';
import { runCli } from '../support/cli.js';
import { codeOf } from '../support/errors.js';
import { malformedFixtures, malformedPath, sha256 } from '../support/fixtures.js';

const MAX_BYTES = 256 * 1024 * 1024;

/** The exit statuses that the commands promise for the classes of the manifest. */
function statusFor(expected: HexzCode | 'ok'): number {
  if (expected === 'ok') return 0;
  if (['BAD_MAGIC', 'BAD_VERSION', 'PARENT_MISSING'].includes(expected)) return 3;
  return expected === 'AUTH' ? 5 : 4;
}

/** Read as they should, but verification sees more: a hash of another block, a zero block with a checksum. */
const READABLE_BUT_BAD = ['index-page-bitflip-hash', 'block-hole'];

const environmentOf = ({ password }: { password: string | null }): Record<string, string> =>
  password === null ? {} : { HEXZ_PASSWORD: password };

describe.concurrent('verify', () => {
  test.each(malformedFixtures)('ends as promised for $id: $expected', async (fixture) => {
    const { id, file, expected } = fixture;
    const result = await runCli(['verify', malformedPath(file)], { env: environmentOf(fixture) });
    expect(result.signal).toBeNull();
    expect(result.status).toBe(READABLE_BUT_BAD.includes(id) ? 4 : statusFor(expected));
    expect(result.stderr).toMatch(/^(hexz: .*\n)?$/);
    if (result.status !== 0) expect(result.stderr + result.stdout).toContain('.hxz: ');
    expect(result.peakMemoryBytes).toBeLessThan(MAX_BYTES);
  });
});

describe.concurrent('extract', () => {
  const readable = malformedFixtures.filter(({ expected }) => expected === 'ok');

  test.each(readable)('gives the bytes of $id, whose damage does not matter', async (fixture) => {
    for (const stream of ['disk', 'memory'] as const) {
      const wanted = fixture.reader_streams?.[stream];
      if (wanted === undefined || wanted.size === 0) continue;
      const args = ['extract', malformedPath(fixture.file), '--stream', stream];
      const { status, stdout, peakMemoryBytes } = await runCli(args);
      expect([status, sha256(stdout)]).toEqual([0, wanted.sha256]);
      expect(peakMemoryBytes).toBeLessThan(MAX_BYTES);
    }
  });
});

describe('info', () => {
  test.each(malformedFixtures)('describes or refuses $id', ({ file, expected }) => {
    for (const options of [{ json: true }, {}, { json: true, blocks: true }]) {
      const written: string[] = [];
      const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        written.push(String(text));
        return true;
      });
      const code = codeOf(() => info(malformedPath(file), options));
      spy.mockRestore();
      // Nothing is printed of a file that is refused, and one that is not shows all of its description.
      expect(written).toHaveLength(code === 'ok' ? 1 : 0);
      if (code === 'ok' && options.json)
        expect(JSON.parse(written.join(''))).toHaveProperty('path');
      if (code !== 'ok' && !options.blocks) expect(code).toBe(expected);
      if (expected === 'ok') expect(code).toBe('ok');
    }
  });
});

test('the peak memory is really measured', async () => {
  const { peakMemoryBytes } = await runCli(['--version']);
  expect(peakMemoryBytes).toBeGreaterThan(10 * 1024 * 1024);
});

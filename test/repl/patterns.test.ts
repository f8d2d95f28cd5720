import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePattern } from '../../src/forensics/search/pattern.js';
import { lookalikeNote } from '../../src/repl/patterns.js';
import { runRepl } from '../support/repl/runRepl.js';

describe('a pattern in the writing of another tool', () => {
  test.each([
    ['hex:00', 'searching the text "hex:00"; for bytes write x:00'],
    ['hex: de ad be ef', 'searching the text "hex: de ad be ef"; for bytes write x:deadbeef'],
    ['X:00', 'searching the text "X:00"; for bytes write x:00'],
    ['0xdeadbeef', 'searching the text "0xdeadbeef"; for bytes write x:deadbeef'],
    ['\\x7fELF', undefined],
    ['\\x7f\\x45', 'searching the text "\\x7f\\x45"; for bytes write x:7f45'],
    ['53 ef', 'searching the text "53 ef"; for bytes write x:53ef'],
    ['/id_rsa/i', 'searching the text "/id_rsa/i"; for a regular expression write r/id_rsa/i'],
    ['re:a+', 'searching the text "re:a+"; for a regular expression write r:a+'],
    ['r/abc', 'searching the text "r/abc"; for a regular expression write r:abc'],
    ['utf16:abc', 'searching the text "utf16:abc"; for UTF-16 write u:abc'],
    ['nocase:abc', 'searching the text "nocase:abc"; for any case write i:abc'],
  ])('%s is said to be text', (pattern, note) => {
    expect(lookalikeNote(pattern)).toBe(note);
  });

  test.each(['text', 'x:00', 'r:a', 'r/a/i', 'i:a', 'iu:a', 'u:a', 't:hex:00', 'http://x/', ':'])(
    '%s is what it is',
    (pattern) => {
      expect(lookalikeNote(pattern)).toBeUndefined();
    },
  );

  test('is told how to write it in a way that the search understands', () => {
    const prefixes = fc.constantFrom('hex:', 'bytes:', '0x', 're:', '/', 'utf16:', 'nocase:', '');
    const digits = fc.string({ minLength: 2, maxLength: 8, unit: fc.constantFrom('0', 'a', 'f') });
    fc.assert(
      fc.property(prefixes, digits, (prefix, text) => {
        const even = text.slice(0, text.length - (text.length % 2));
        const note = lookalikeNote(`${prefix}${even}${prefix === '/' ? '/' : ''}`);
        const suggested = note?.split(' write ')[1];
        if (suggested !== undefined) parsePattern(suggested);
      }),
    );
  });
});

test('find says so behind its matches, and help search explains patterns', async () => {
  const methods = {
    search: () => ({ batches: [], result: { found: 0, searchedBytes: 65_536 } }),
  };
  const { output } = await runRepl('find disk hex:00; help search', { methods });
  expect(output).toContain('0 matches in 64.00 KiB\nsearching the text "hex:00"; for bytes');
  expect(output).toContain('x:de??beef      bytes in hexadecimal digits');
});

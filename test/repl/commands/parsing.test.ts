import { describe, expect, test } from 'vitest';
import { HexzError } from '../../../src/engine/errors.js';
import { commands } from '../../../src/repl/commands/all.js';
import { type CommandDefinition, optionFlag } from '../../../src/repl/commands/definition.js';
import { Source } from '../../../src/repl/language/source.js';
import { newSession, runRepl } from '../../support/repl/runRepl.js';

/** What is shown of a line that cannot be understood: the line, a mark, what is wrong. */
const shownOf = async (line: string): Promise<string[]> => {
  const { errors, code } = await runRepl(line, { isTyped: true });
  expect(code).toBe('USAGE');
  const [shown = '', mark = '', message = ''] = errors.split('\n');
  expect(shown).toBe(`  ${line}`);
  return [mark.slice(2), message.replace('error: ', '')];
};

describe('errors point at the column', () => {
  // biome-ignore format: a line, and the mark below it
  test.each([
    ['raed disk',
     '^', 'there is no command raed; did you mean read?'],
    ['xyzzy',
     '^', 'there is no command xyzzy; help lists the commands'],
    ['read',
     '    ^', 'STREAM is missing; read STREAM [OFFSET] [LENGTH] [--base] [--raw]'],
    ['read disc 0',
     '     ^', 'disc is none of disk, memory'],
    ['read disk 0x 16',
     '          ^', '0x is no number such as 4096, 0x1000, 4K or 1p'],
    ['read disk 16+$x',
     '             ^', 'there is no bookmark x'],
    ["read disk '1 + 2 3'",
     '                 ^', 'an operator (+ - *) is missing here'],
    ['read disk 1 2 3',
     '              ^', '3 is one argument too many; read STREAM [OFFSET] [LENGTH] [--base] [--raw]'],
    ['read disk --bse',
     '          ^', 'read has no option --bse; read STREAM [OFFSET] [LENGTH] [--base] [--raw]'],
    ['read disk --raw=1',
     '               ^', '--raw takes no value'],
    ['find disk x --max',
     '                 ^', 'N is missing behind --max'],
    ['find disk x --max=many',
     '                  ^', 'many is no count'],
    ['find disk x 0 1',
     undefined, undefined],
    ['diff --hex --pages',
     '^', '--runs, --pages and --hex exclude each other'],
    ['keep',
     '    ^', 'PAGES|all|open is missing; keep PAGES|all|open...'],
    ['keep 9-7',
     '     ^', 'the last page is before the first'],
    ['keep 0x1000+x',
     '            ^', 'x is no number such as 4096, 0x1000, 4K or 1p'],
    ['drop 7 --force',
     '^', '--force goes with --live'],
    ['drop --live all',
     '^', 'all is for the review; drop --live takes pages, or what the review drops'],
    ['split',
     '     ^', 'PAGES is missing; split PAGES'],
    ['wait',
     '    ^', 'TIME is missing; wait TIME'],
    ['wait soon',
     '     ^', 'soon is no time such as 500ms, 2s or 1m'],
    ['wait idle 1 2',
     '            ^', '2 is one argument too many; wait idle [TIME] [--timeout TIME]'],
    ['events x',
     '       ^', 'x is no count'],
    ['assert',
     '      ^', 'assert goes on with one of hash, bytes, dirty, clean, open, length, found'],
    ['assert dirt = 1',
     '       ^', 'assert goes on with one of hash, bytes, dirty, clean, open, length, found'],
    ['assert dirty = ',
     '              ^', 'N is missing; assert dirty COMPARISON N'],
    ['assert dirty => 3',
     '             ^', '=> is none of =, ==, !=, <, <=, >, >='],
    ['assert hash disk 0 1 = abc',
     '                       ^', 'a SHA-256 has 64 hexadecimal digits'],
    ['assert bytes disk 0 = x:5',
     '                        ^', 'hexadecimal digits are expected behind x:, two for a byte'],
    ['set colour on',
     '    ^', 'there is no setting colour: write, format, pager'],
    ['set write maybe',
     '          ^', 'maybe is none of off, on'],
    ['bookmark a-b',
     '         ^', 'a name has letters, digits and _ only'],
    ['write memory 0 x',
     '      ^', 'memory is none of disk'],
    ['commit',
     '      ^', 'FILE is missing; commit FILE [--dry-run] [--force] [--thin] [--compression lz4|zstd] [--block-size LENGTH] [--message TEXT] [--drop-memory] [--all] [--new-password-file FILE] [--verify-all]'],
    ['commit a --compression gzip',
     '                       ^', 'gzip is none of lz4, zstd'],
    ["export disk 0 1 ''",
     '                ^', 'a path must not be empty'],
    ['sh',
     '  ^', 'COMMAND is missing; sh COMMAND'],
    ['help nothing',
     '^', 'there is no command nothing; help lists the commands'],
    ['dirty > a b',
     '          ^', 'the command ends behind its file'],
  ].filter(([, mark]) => mark !== undefined))('%s', async (line = '', mark = '', message = '') => {
    expect(await shownOf(line)).toEqual([mark, message]);
  });

  test('of a pattern, too, wherever its quotes are', async () => {
    const { errors } = await runRepl("find disk 'r:'\\''['", {
      isTyped: true,
      methods: {
        search: () => {
          throw new HexzError('USAGE', 'column 4 of the pattern: [ is not closed', {
            location: { column: 4 },
          });
        },
      },
    });
    expect(errors).toBe(`  find disk 'r:'\\''['\n${' '.repeat(2 + 17)}^\nerror: [ is not closed\n`);
  });
});

describe('every command', () => {
  const words = ({ arguments: all }: CommandDefinition, presence: string): string[] =>
    Object.values(all)
      .filter((argument) => argument.presence === presence)
      .map(({ kind }) =>
        typeof kind.completes === 'object' ? (kind.completes[0] ?? '1') : 'disk',
      );
  const takesAnything = ({ arguments: all }: CommandDefinition): boolean =>
    Object.values(all).some(({ presence }) => /rest|some|verbatim/.test(presence));
  const columnOf = (line: string): number | undefined => {
    try {
      newSession().parse(new Source(line));
      return undefined;
    } catch (error) {
      return error instanceof HexzError ? error.location.column : Number.NaN;
    }
  };

  test.each(
    commands.filter((command) => !takesAnything(command)).map((command) => [command.name, command]),
  )('%s refuses what it does not know, and where', (name, command) => {
    const line = [name, ...words(command, 'required')].join(' ');
    const full = [line, ...words(command, 'optional')].join(' ');
    expect([columnOf(line), columnOf(full)]).toEqual([undefined, undefined]);
    expect(columnOf(`${full} more`)).toBe(full.length + 2);
    expect(columnOf(`${name} --unknown`)).toBe(name.length + 2);
    if (line !== name) expect(columnOf(name)).toBe(name.length + 1);
    for (const [option, { kind }] of Object.entries(command.options)) {
      const flag = optionFlag(option);
      expect(columnOf(`${line} ${flag}`)).toBe(
        kind === undefined ? undefined : line.length + flag.length + 2,
      );
      expect(columnOf(`${line} ${flag}=1`)).toBe(
        kind === undefined ? line.length + flag.length + 2 : undefined,
      );
    }
  });
});

test('in a script the place is named, and nothing is run if a part cannot be understood', async () => {
  const run = await runRepl('read disk 0 16\n  assert dirty\n');
  expect(run).toMatchObject({ output: '', code: 'USAGE' });
  expect(run.errors).toBe('hexz: test:2:15: COMPARISON is missing; assert dirty COMPARISON N\n');
});

test('what no single word is to blame for is told of its command', async () => {
  const { errors } = await runRepl('help quit > /dev/null\nset; drop 1 --force');
  expect(errors).toBe('hexz: test:2:6: --force goes with --live\n');
});

test('options may stand anywhere, and -- ends them', async () => {
  const session = newSession({
    search: () => ({ batches: [], result: { found: 0, searchedBytes: 0 } }),
  });
  await runRepl('find --max=2 disk --base -- --max', { session });
  expect(session.client).toMatchObject({
    requests: [{ method: 'search', params: { pattern: '--max', maximum: 2, side: 'base' } }],
  });
});

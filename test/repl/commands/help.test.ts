import { expect, test } from 'vitest';
import { runRepl } from '../../support/repl/runRepl.js';

test.each(['help', 'help find', 'help drop', 'help commit'])(
  '%s breaks between words at the width of the terminal',
  async (line) => {
    const { output: unbroken } = await runRepl(line);
    const { output } = await runRepl(line, { columns: 60 });
    const words = (text: string) => text.split(/\s+/);
    expect(words(output)).toEqual(words(unbroken));
    const wide = output.split('\n').filter((row) => row.length > 60 && !row.startsWith('  e.g. '));
    expect(wide).toEqual([]);
  },
);

test('what a command takes is aligned', async () => {
  const { output } = await runRepl('help bookmark', { columns: 40 });
  expect(output).toMatchInlineSnapshot(`
    "bookmark [NAME] [OFFSET] [--delete]
      Gives an offset a name, which \`$NAME\`
      then stands for; without NAME, lists
      them.
        NAME      letters, digits and _
        OFFSET    what it stands for;
                  without, where the last
                  command of the disk ended
        --delete  forget it
      e.g. bookmark super 0x438
      e.g. read disk $super 2
      e.g. bookmark
      e.g. bookmark super --delete
    "
  `);
});

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliPath } from '../support/cli.js';
import { goldenFixture, goldenPath } from '../support/fixtures.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { temporaryDirectories } from '../support/temporary.js';
import { onTerminal as runOnTerminal } from '../support/terminal.js';

const newDirectory = temporaryDirectories();
const fixture = goldenFixture('s-lz4-encrypted');
const password = fixture.password ?? '';
const path = goldenPath(fixture.file);

const PROMPT = /Password of [^:]*: /g;

/** Runs the command on a terminal and types an answer whenever a prompt is shown. */
const onTerminal = (args: readonly string[], answers: readonly string[]) =>
  runOnTerminal([cliPath, ...args], PROMPT, answers);

const promptsIn = (shown: string) => shown.match(PROMPT) ?? [];

describe.concurrent('at a terminal, a missing password', () => {
  test('is asked for by the name of the file, and not shown', async () => {
    const { status, shown } = await onTerminal(['verify', path], [`${password}\r`]);
    expect(status).toBe(0);
    expect(promptsIn(shown)).toEqual([`Password of ${fixture.file}: `]);
    expect(shown.replaceAll(fixture.file, '')).not.toContain(password);
    expect(shown).toContain(': ok');
  });

  test('may be asked for again when it is wrong, three times in all', async () => {
    const right = await onTerminal(['verify', path], ['wrong\r', `${password}\r`]);
    expect(right.status).toBe(0);
    expect(right.shown).toContain('Wrong password.');
    const wrong = await onTerminal(['verify', path], ['a\r', 'b\r', 'c\r', `${password}\r`]);
    expect(wrong.status).toBe(5);
    expect(promptsIn(wrong.shown)).toHaveLength(3);
  });

  test('may be corrected while it is typed', async () => {
    const typed = `wrong\u0015${password}xé\u007f\u007f\r`;
    expect((await onTerminal(['verify', path], [typed])).status).toBe(0);
  });

  test('is refused with control-C or an end of input, which is exit 5', async () => {
    for (const key of ['\u0003', '\u0004']) {
      const { status, shown } = await onTerminal(['verify', path], [key]);
      expect(status).toBe(5);
      expect(shown).toContain('no password was given');
    }
  });

  test('of a parent is asked for by the name of the parent', async () => {
    const directory = newDirectory();
    copyFileSync(path, join(directory, 'parent.hxz'));
    const child = join(directory, 'child.hxz');
    const writer = new SnapshotWriter(child, { parentPaths: ['parent.hxz'] });
    writer.addParent(1000);
    writer.finish();
    const { status, shown } = await onTerminal(['verify', child], [`${password}\r`]);
    expect([status, promptsIn(shown)]).toEqual([0, ['Password of parent.hxz: ']]);
  });

  test('is not asked for by info', async () => {
    const { status, shown } = await onTerminal(['info', path], []);
    expect([status, promptsIn(shown)]).toEqual([0, []]);
  });
});

describe.concurrent('at a terminal', () => {
  test('extract does not pour bytes on the screen unless -o - says so', async () => {
    const plain = goldenPath('a-zstd-4k-disk.hxz');
    const refused = await onTerminal(['extract', plain, '--stream', 'disk'], []);
    expect(refused.status).toBe(2);
    expect(refused.shown).toContain('standard output is a terminal');
    const args = ['extract', plain, '--stream', 'disk', '-o', '-', '--length', '1'];
    expect((await onTerminal(args, [])).status).toBe(0);
  });

  test('verify leaves no progress bar behind', async () => {
    const { status, shown } = await onTerminal(['verify', goldenPath('s-lz4-over-4g.hxz')], []);
    expect(status).toBe(0);
    const last = shown.trimEnd().split('\n').at(-1) ?? '';
    expect(last.split('\u001b[K').at(-1)).toMatch(/: ok; /);
  });
});

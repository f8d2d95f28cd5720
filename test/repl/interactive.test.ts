import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliPath, runCli } from '../support/cli.js';
import { goldenPath } from '../support/fixtures.js';
import { requires } from '../support/requires.js';
import { temporaryDirectories } from '../support/temporary.js';
import { type OpenTerminal, openTerminal } from '../support/terminal.js';
import { until } from '../support/until.js';

const newDirectory = temporaryDirectories();
const snapshot = goldenPath('a-lz4-4k-both.hxz');
const PROMPT = /a-lz4-4k-both\.hxz \(.*?\)> $/;

function start(
  args: readonly string[],
  state = newDirectory(),
  environment: Readonly<Record<string, string>> = {},
): OpenTerminal {
  return openTerminal([cliPath, 'inspect', snapshot, '--plain', ...args], {
    XDG_STATE_HOME: state,
    NO_COLOR: '1',
    ...environment,
  });
}

describe('on a terminal', () => {
  test('lines are run, completed and kept for the next time', async () => {
    const state = newDirectory();
    const first = start(['--no-mount'], state);
    await first.shows(PROMPT);
    for (const [begun, completed] of [
      ['rea', /d $/],
      ['di', /sk $/],
    ] as const) {
      first.type(begun);
      await first.shows(new RegExp(`${begun}$`));
      first.type('\t');
      await first.shows(completed);
    }
    first.type('0 16\r');
    await first.shows(/69 64 67 6f.*\n.*> $/s);
    first.type('quit\r');
    expect(await first.status).toBe(0);
    expect(readFileSync(join(state, 'hexz', 'history'), 'utf8')).toBe('read disk 0 16\nquit\n');
    const second = start(['--no-mount'], state);
    await second.shows(PROMPT);
    second.type('\u001b[A\u001b[A\r');
    await second.shows(/read disk 0 16.*69 64 67 6f.*> $/s);
    second.type('\u0004');
    expect(await second.status).toBe(0);
  });

  test('an error is marked below its column, and the session goes on', async () => {
    const terminal = start(['--no-mount']);
    await terminal.shows(PROMPT);
    terminal.type('read disk 0x 16\r');
    await terminal.shows(/\n {2}read disk 0x 16\r\n {12}\^\r\nerror: 0x is no number.*> $/s);
    terminal.type('quit\r');
    expect(await terminal.status).toBe(0);
  });

  test('Ctrl+C empties a line, and cancels a command without ending the session', async () => {
    const terminal = start(['--no-mount']);
    await terminal.shows(PROMPT);
    terminal.type('nonsense\u0003');
    await terminal.shows(/\^C.*> $/s);
    terminal.type('sh echo begun; sleep 60\r');
    await terminal.shows(/begun\r\n$/);
    terminal.type('\u0003');
    await terminal.shows(/cancelled.*> $/s);
    terminal.type('quit\r');
    expect(await terminal.status).toBe(0);
  });

  test('what is shown goes through the pager, if that is wanted', async () => {
    const terminal = start(['--no-mount'], newDirectory(), { PAGER: 'sed s/^/paged:/' });
    await terminal.shows(PROMPT);
    terminal.type('set pager on; read disk 0 16\r');
    await terminal.shows(/paged:0x00000000 .*> $/s);
    terminal.type('quit\r');
    expect(await terminal.status).toBe(0);
  });

  test('a line that is not complete goes on in the next', async () => {
    const terminal = start(['--no-mount']);
    await terminal.shows(PROMPT);
    terminal.type("find disk 'a\r");
    await terminal.shows(/\.\.\. $/);
    terminal.type('\u0003');
    await terminal.shows(PROMPT);
    terminal.type('quit\r');
    expect(await terminal.status).toBe(0);
  });
});

test('what was typed is kept for its owner alone, without what looks like a password', async () => {
  const state = newDirectory();
  const path = join(state, 'hexz', 'history');
  mkdirSync(join(state, 'hexz'));
  writeFileSync(path, 'help\n', { mode: 0o644 });
  const terminal = start(['--no-mount'], state);
  await terminal.shows(PROMPT);
  for (const line of ['sh HEXZ_PASSWORD=secret true', ' sh true', 'quit']) {
    terminal.type(`${line}\r`);
    if (line !== 'quit') await terminal.shows(PROMPT);
  }
  expect(await terminal.status).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe('help\nquit\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

const mountpointOf = (shown: string): string => /mounted at (\S+);/.exec(shown)?.[1] ?? '';

describe.runIf(requires('FUSE'))('with a mount that is written', () => {
  const write = 'sh printf x | dd of="$HEXZ_MOUNT/disk" conv=notrunc status=none; sync\r';

  test('leaving asks what becomes of the changes', async () => {
    const terminal = start(['--rw']);
    await terminal.shows(PROMPT);
    terminal.type(write);
    await terminal.shows(/rw, 1 dirty\)> $/);
    terminal.type('\u0004');
    await terminal.shows(/holds 1 changed page\. .*keep the overlay: $/s);
    terminal.type('no\r');
    await terminal.shows(PROMPT);
    terminal.type('quit\r');
    await terminal.shows(/keep the overlay: $/);
    terminal.type('yes\r');
    expect(await terminal.status).toBe(0);
  });

  test.each(['SIGHUP', 'SIGTERM'])(
    'who is sent away by %s leaves the changes, and the log says where',
    async (signal) => {
      const temporary = newDirectory();
      const terminal = start(['--rw'], newDirectory(), { TMPDIR: temporary, XDG_RUNTIME_DIR: '' });
      await terminal.shows(PROMPT);
      terminal.type(write);
      await terminal.shows(/rw, 1 dirty\)> $/);
      terminal.kill(signal);
      await terminal.status;
      const log = readFileSync(join(temporary, 'hexz.log'), 'utf8');
      const [, overlay = ''] = /the overlay is kept: (.+)\n/.exec(log) ?? [];
      expect(readFileSync(overlay).subarray(0, 1).toString()).toBe('x');
    },
  );

  test('a mount whose terminal was killed goes on, and is adopted by whoever attaches', async () => {
    const first = start(['--rw']);
    const mountpoint = mountpointOf(await first.shows(PROMPT));
    first.kill('SIGKILL');
    await first.status;
    await until('it is orphaned', async () => {
      const { stdout } = await runCli(['inspect', '--attach', mountpoint, '--json', '-c', 'state']);
      return stdout.toString().includes('"lease":"orphaned"');
    });
    const second = openTerminal([cliPath, 'inspect', '--plain', '--attach', mountpoint], {
      XDG_STATE_HOME: newDirectory(),
    });
    await second.shows(PROMPT);
    second.type('quit\r');
    expect(await second.status).toBe(0);
    expect(existsSync(mountpoint)).toBe(false);
  });

  test('it tells who unmounts it from outside, above the line that is typed', async () => {
    const terminal = start(['--rw']);
    const mountpoint = mountpointOf(await terminal.shows(PROMPT));
    terminal.type('stat');
    await terminal.shows(/stat$/);
    expect((await runCli(['unmount', '--lazy', mountpoint])).status).toBe(0);
    await terminal.shows(/note: .* was unmounted from outside.*> stat$/s);
    terminal.type('e\r');
    await terminal.shows(/mount: +none.*not mounted\)> $/s);
    terminal.type('quit\r');
    expect(await terminal.status).toBe(0);
    expect(existsSync(mountpoint)).toBe(false);
  });
});

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliPath, jsonOf, runCli } from '../support/cli.js';
import { goldenPath } from '../support/fixtures.js';
import { temporaryDirectories } from '../support/temporary.js';
import { openTerminal } from '../support/terminal.js';
import { withoutFuse } from '../support/withoutFuse.js';

const newDirectory = temporaryDirectories();
const snapshot = goldenPath('a-lz4-4k-both.hxz');

describe.concurrent('inspect where nobody looks and no command comes', () => {
  test.each([
    ['there is no standard input', undefined],
    ['it is an empty pipe', Buffer.alloc(0)],
  ])('says what the snapshot is, where nothing can be mounted: %s', async (_, input) => {
    const result = await runCli(['inspect', snapshot], {
      env: withoutFuse,
      ...(input === undefined ? {} : { input }),
    });
    expect([result.status, result.stderr]).toEqual([0, '']);
    const text = result.stdout.toString();
    expect(text).toMatch(/Disk: +40\.00 KiB\n {2}Memory: +8\.00 KiB\n.*LZ4, blocks of 4\.00 KiB/);
    expect(text).toContain('hexz inspect SNAPSHOT -c help');
  });

  test('with --json in one document', async () => {
    const overlay = join(newDirectory(), 'changes.overlay');
    const result = await runCli(['inspect', snapshot, '--json', '--overlay', overlay]);
    expect(result.status).toBe(0);
    expect(jsonOf(result)).toMatchObject({
      snapshot: { path: snapshot, streams: { disk: { size: 40_961 } } },
      overlay: { path: overlay, exists: false, dirtyPages: 0 },
      mountpoint: null,
    });
  });

  test.each([
    ['what is no snapshot', '/dev/null', 3],
    ['what is not there', '/nowhere.hxz', 3],
  ])('refuses %s', async (_, path, status) => {
    expect((await runCli(['inspect', path])).status).toBe(status);
  });

  test('does not go on without a mount where commands come, and says once why not', async () => {
    const result = await runCli(['inspect', snapshot, '-c', 'state'], { env: withoutFuse });
    expect(result.status).toBe(6);
    expect(result.stderr).toMatch(/^hexz: koffi cannot be loaded.+\n$/);
  });
});

test('with lines on a terminal, what cannot be mounted is looked into unmounted', async () => {
  const terminal = openTerminal([cliPath, 'inspect', snapshot, '--plain'], withoutFuse);
  await terminal.shows(/not mounted; help.*[\s\S]*Not mounted: koffi.*hexz doctor/);
  terminal.type('quit\r');
  expect(await terminal.status).toBe(0);
});

test('a terminal whose output goes elsewhere is asked for no command', async () => {
  const parameters = JSON.stringify([cliPath, 'inspect', snapshot]);
  const terminal = openTerminal([
    '--eval',
    `const { spawnSync } = require('node:child_process');
    const { status, stdout } = spawnSync(process.execPath, ${parameters}, { stdio: ['inherit', 'pipe', 'inherit'] });
    console.log(String(stdout), 'status', status);`,
  ]);
  await terminal.shows(/Disk: +40\.00 KiB[\s\S]*status 0/);
  expect(await terminal.status).toBe(0);
});

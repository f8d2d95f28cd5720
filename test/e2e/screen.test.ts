import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { cliPath } from '../support/cli.js';
import { isMounted, mounts } from '../support/mounts.js';
import { type BuiltRecipe, builtRecipe } from '../support/recipes.js';
import { requires } from '../support/requires.js';
import { type ScreenSize, type ScreenTerminal, screens } from '../support/screen.js';
import { someBytes } from '../support/streams.js';
import { until } from '../support/until.js';

const hexz = mounts();
const open = screens();
const PAGE_BYTES = 4096;
const DOWN = '\u001b[B';
const HOME = '\u001b[H';
const ERASE_LINE = '\u0015';
const CURSOR_ON = '\u001b[?25h';
/** A terminal, an engine and a commit, one after the other. */
const TEST_MS = 120_000;

interface Change {
  readonly pageIndex: number;
  readonly bytes: Buffer;
}

/** What is written; of the review, the one in the middle is dropped. */
const first: Change = { pageIndex: 0x800, bytes: someBytes(PAGE_BYTES) };
const dropped: Change = { pageIndex: 0x900, bytes: someBytes(2 * PAGE_BYTES) };
const last: Change = { pageIndex: 0xa00, bytes: someBytes(PAGE_BYTES) };

interface Inspected {
  readonly screen: ScreenTerminal;
  readonly mountpoint: string;
  readonly disk: string;
  readonly overlay: string;
}

let demo: BuiltRecipe;

function openScreen(args: readonly string[], size?: ScreenSize): ScreenTerminal {
  return open([cliPath, 'inspect', ...args], {
    env: { ...hexz.sandbox.environment, XDG_STATE_HOME: hexz.sandbox.newDirectory() },
    ...(size === undefined ? {} : { size }),
  });
}

/** A mount whose writes are kept. */
async function inspect(size?: ScreenSize): Promise<Inspected> {
  const mountpoint = hexz.newMountpoint();
  const overlay = hexz.sandbox.path('kept.overlay');
  const screen = openScreen([demo.snapshot, mountpoint, '--rw', '--overlay', overlay], size);
  await screen.shows(/rw kept\.overlay .*● live/);
  expect(isMounted(mountpoint)).toBe(true);
  return { screen, mountpoint, disk: join(mountpoint, 'disk'), overlay };
}

/** What another process does with the mount. */
async function copy(...operands: readonly string[]): Promise<void> {
  await promisify(execFile)('dd', [...operands, 'status=none']);
}

async function write(disk: string, { pageIndex, bytes }: Change): Promise<void> {
  const file = hexz.sandbox.path('to-be-written');
  writeFileSync(file, bytes);
  await copy(
    `if=${file}`,
    `of=${disk}`,
    `bs=${PAGE_BYTES}`,
    `seek=${pageIndex}`,
    'conv=notrunc,fsync',
  );
}

async function extracted(snapshot: string, stream: 'disk' | 'memory'): Promise<Buffer> {
  const file = hexz.sandbox.path('extracted');
  const args = ['extract', snapshot, '--stream', stream, '-o', file, '--force'];
  expect(await hexz.run(args)).toMatchObject({ status: 0 });
  return readFileSync(file);
}

function withChanges(disk: Buffer, changes: readonly Change[]): Buffer {
  const changed = Buffer.from(disk);
  for (const { pageIndex, bytes } of changes) bytes.copy(changed, pageIndex * PAGE_BYTES);
  return changed;
}

async function openEveryView(screen: ScreenTerminal): Promise<void> {
  for (const [key, shown] of [
    ['2', /nothing is dirty/i],
    ['3', /┌ disk.* of 16\.00 MiB ─┐/],
    ['4', /┌ memory.* of 4\.00 MiB ─┐/],
    ['5', /┌ hunks ─/],
    ['6', /┌ log ─/],
    ['1', /┌ events ─/],
  ] as const) {
    screen.type(key);
    await screen.shows(shown);
  }
}

/** By a command, whose places are listed, and by a key of the view. */
async function findInMemory(screen: ScreenTerminal): Promise<void> {
  screen.type(":find memory 'BOOT_IMAGE='\r");
  await screen.shows(/▸0x0010_1000 .*BOOT_IMAGE=\/boot\/vmlinuz/);
  screen.type('\r');
  await screen.shows(/│0x0010_1000 +0x42 66/);
  screen.type('/');
  await screen.shows(/^search/m);
  screen.type(`${ERASE_LINE}USER=alice\r`);
  await screen.shows(/│0x0022_0000 +0x55 85/);
}

/** Keeps all hunks but the second. */
async function review(screen: ScreenTerminal): Promise<void> {
  screen.type('5');
  await screen.shows(/0 of 3 hunks decided/);
  await screen.shows(/▸\[ \] +0x0080_0000/);
  screen.type('k');
  await screen.shows(/1 of 3 hunks decided: +keep 1/);
  screen.type(DOWN);
  await screen.shows(/▸\[ \] +0x0090_0000/);
  screen.type('d');
  await screen.shows(/2 of 3 hunks decided: +keep 1 +drop 1/);
  screen.type(DOWN);
  await screen.shows(/▸\[ \] +0x00a0_0000/);
  screen.type('k');
  await screen.shows(/3 of 3 hunks decided: +keep 2 +drop 1 +open 0/);
  screen.type(HOME);
  await screen.shows(/▸\[k\] +0x0080_0000/);
}

/** Without frames and breaks: on a narrow screen sentences take several rows. */
const flowing = (text: string): string => text.replaceAll(/[\s│]+/g, ' ');

async function commitThin(screen: ScreenTerminal, output: string): Promise<void> {
  screen.type('t');
  await screen.shows(/thin on demo\.hxz/);
  screen.type('o');
  await screen.shows(/commit to the file: .*\.hxz/);
  screen.type(`${ERASE_LINE}${output}\r`);
  await screen.shows(/→ .*committed\.hxz/);
  await screen.shows((text) => flowing(text).includes('2 dirty pages in it'));
  screen.type('c');
  await screen.shows((text) => flowing(text).includes('2 pages committed in'));
}

async function expectLeft(screen: ScreenTerminal): Promise<void> {
  expect(await screen.end()).toBe(0);
  const { isAlternate, hasMouse, hasBracketedPaste, wraps, wipes } = screen;
  expect({ isAlternate, hasMouse, hasBracketedPaste, wraps, wipes }).toEqual({
    isAlternate: false,
    hasMouse: false,
    hasBracketedPaste: false,
    wraps: true,
    wipes: 0,
  });
  expect(screen.sent.endsWith(CURSOR_ON)).toBe(true);
}

/** No process, mount, socket or entry of the registry. */
async function expectNothingLeft(): Promise<void> {
  await until('the end of the engine', () => hexz.sandbox.processes().length === 0);
  hexz.expectNothingLeft();
  const entries = readdirSync(hexz.sandbox.environment.XDG_RUNTIME_DIR, { recursive: true });
  expect(entries.map(String).filter((name) => /\.(sock|json)$/.test(name))).toEqual([]);
}

describe.runIf(requires('FUSE', 'e2fsprogs'))('the screen over a mount', () => {
  beforeAll(async () => {
    demo = await builtRecipe('demo');
  });

  test.each([
    { columns: 80, rows: 24 },
    { columns: 160, rows: 50 },
  ])(
    'serves from the first read to the commit, at $columns x $rows',
    async (size) => {
      const { screen, disk } = await inspect(size);
      await copy(`if=${disk}`, 'of=/dev/null', 'bs=64K', 'count=16');
      await screen.shows(/^│\d\d:\d\d:\d\d\.\d{3} read +disk +0x00/m);
      await openEveryView(screen);
      await findInMemory(screen);

      screen.type('2');
      await screen.shows(/nothing is dirty/i);
      await write(disk, first);
      await screen.shows(/0x0080_0000 +1 +/);
      await write(disk, dropped);
      await write(disk, last);
      await screen.shows(/0x0090_0000 +2 .*\n.*0x00a0_0000 +1 /);

      await review(screen);
      const output = hexz.sandbox.path('committed.hxz');
      await commitThin(screen, output);
      screen.type('q');
      await expectLeft(screen);
      await expectNothingLeft();

      const base = await extracted(demo.snapshot, 'disk');
      const committed = await extracted(output, 'disk');
      expect(committed.equals(withChanges(base, [first, last]))).toBe(true);
      const memory = await extracted(output, 'memory');
      expect(memory.equals(await extracted(demo.snapshot, 'memory'))).toBe(true);
      const info = await hexz.run(['info', output, '--json']);
      expect(info.stdout.toString()).toContain('demo.hxz');
    },
    TEST_MS,
  );

  test(
    'that is killed leaves the mount, which another adopts',
    async () => {
      const { screen, mountpoint, disk } = await inspect();
      screen.kill('SIGKILL');
      await screen.end();
      await until('an orphan', async () => (await hexz.status())[0]?.lease === 'orphaned');
      expect((await hexz.run(['status'])).stdout.toString()).toContain('orphaned');
      await write(disk, first);
      expect(
        readFileSync(disk).subarray(
          first.pageIndex * PAGE_BYTES,
          first.pageIndex * PAGE_BYTES + PAGE_BYTES,
        ),
      ).toEqual(first.bytes);

      const adopting = openScreen(['--attach', mountpoint]);
      await adopting.shows(/rw kept\.overlay .*● live/);
      expect(await hexz.status()).toMatchObject([{ mountpoint, lease: 'terminal' }]);
      adopting.type('2');
      await adopting.shows(/0x0080_0000 +1 +/);
      adopting.type('q');
      await expectLeft(adopting);
      await expectNothingLeft();
    },
    TEST_MS,
  );

  test(
    'says that its engine was killed and what to do, and the overlay is whole',
    async () => {
      const { screen, mountpoint, disk, overlay } = await inspect({ columns: 160, rows: 50 });
      await write(disk, first);
      screen.type('2');
      await screen.shows(/0x0080_0000 +1 +/);
      const [engine] = await hexz.status();
      process.kill(Number(engine?.pid), 'SIGKILL');
      await screen.shows(/has ended\. .* q leaves/);
      expect(screen.text()).toContain(`hexz overlay verify ${overlay}`);
      screen.type('q');
      await screen.end();
      expect({
        isAlternate: screen.isAlternate,
        hasMouse: screen.hasMouse,
        wipes: screen.wipes,
      }).toEqual({
        isAlternate: false,
        hasMouse: false,
        wipes: 0,
      });
      expect(isMounted(mountpoint)).toBe(false);
      await expectNothingLeft();

      const verified = await hexz.run(['overlay', 'verify', overlay, '--base', demo.snapshot]);
      expect(verified).toMatchObject({ status: 0, stderr: '' });
      expect(verified.stdout.toString()).toMatch(/ok; 1 dirty page /);
      const output = hexz.sandbox.path('committed.hxz');
      expect(await hexz.run(['commit', demo.snapshot, overlay, output])).toMatchObject({
        status: 0,
      });
      const base = await extracted(demo.snapshot, 'disk');
      expect((await extracted(output, 'disk')).equals(withChanges(base, [first]))).toBe(true);
    },
    TEST_MS,
  );
});

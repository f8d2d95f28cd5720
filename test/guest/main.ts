import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filePattern } from './fixtures.js';
import { partitionedDisk } from './partitionTable.js';

/**
 * `npm run test:guest`: what needs a kernel with nbd, in a guest that has one (`guest-run`, README.md). The disks are made here,
 * where programs run at their full speed. Where no guest can be had it says so, and is done.
 */
const project = fileURLToPath(new URL('../../..', import.meta.url));
const hexz = join(project, 'dist', 'cli', 'main.js');
const guestRun = join(project, 'test', 'guest', 'guest-run');
const TIMEOUT_SECONDS = 600;
/** Of guest-run: there can be no guest. */
const UNAVAILABLE_STATUS = 125;
const MEBIBYTE = 1024 ** 2;

const directory = mkdtempSync(join(tmpdir(), 'hexz-guest-'));
try {
  process.exitCode = await main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function main(): Promise<number> {
  const unprepared = spawnSync(guestRun, ['--prepare'], { stdio: 'inherit' });
  if (unprepared.status === UNAVAILABLE_STATUS) return skip('there can be no guest, as was said');
  if (spawnSync('mkfs.ext4', ['-V']).status !== 0) return skip('e2fsprogs is not installed');
  // The guest reads them as an ordinary user, too.
  chmodSync(directory, 0o755);
  makeSnapshots();
  const program = join(project, 'build', 'test', 'guest', 'mountDevice.js');
  const started = performance.now();
  const options = ['--timeout', String(TIMEOUT_SECONDS), '--cpus', '2'];
  const variables = ['--env', `HEXZ_GUEST_FIXTURES=${directory}`];
  const guest = spawn(guestRun, [...options, ...variables, '--', process.execPath, program], {
    cwd: project,
    stdio: 'inherit',
  });
  const status = await new Promise<number>((resolve) => {
    guest.on('close', (code) => resolve(code ?? 1));
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stdout.write(`the guest ran for ${seconds} s\n`);
  return status === UNAVAILABLE_STATUS ? skip('there can be no guest, as was said') : status;
}

function skip(reason: string): number {
  process.stdout.write(`skipped what needs a guest: ${reason}\n`);
  return 0;
}

function makeSnapshots(): void {
  const tree = join(directory, 'tree');
  for (let index = 0; index < 40; index += 1) {
    const folder = join(tree, `folder${index % 4}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file${index}`), filePattern(index));
  }
  const plain = fileSystem('plain', 48, tree);
  const first = fileSystem('first', 8, join(tree, 'folder0'));
  const second = fileSystem('second', 8, join(tree, 'folder1'));
  const parted = join(directory, 'parted');
  writeFileSync(parted, partitionedDisk([first, second]));
  const noise = join(directory, 'noise');
  writeFileSync(noise, filePattern(7, 4 * MEBIBYTE));
  for (const disk of [plain, parted, noise])
    run(process.execPath, [hexz, 'pack', '--disk', disk, '-o', `${disk}.hxz`]);
}

/** An ext4 file system with what a directory holds. */
function fileSystem(name: string, mebibytes: number, contents: string): string {
  const path = join(directory, name);
  writeFileSync(path, '');
  truncateSync(path, mebibytes * MEBIBYTE);
  run('mkfs.ext4', ['-q', '-F', '-d', contents, path]);
  return path;
}

function run(program: string, parameters: readonly string[]): void {
  const { status, stderr } = spawnSync(program, parameters, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
}

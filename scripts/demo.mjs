// Shows a newcomer what hexz does, on a small snapshot. `npm run demo` builds first.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SNAPSHOT = 'fixtures/golden/a-lz4-64k-disk.hxz';
const BYTES_PER_ROW = 16;

const root = join(import.meta.dirname, '..');

/** Runs hexz and returns its standard output; ends the demo with the same exit status when hexz fails. */
function hexz(commandArguments, goodStatuses = [0]) {
  const { error, status, stdout } = spawnSync(
    process.execPath,
    ['dist/cli/main.js', ...commandArguments],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (error !== undefined) throw error;
  if (!goodStatuses.includes(status)) process.exit(status ?? 1);
  return stdout;
}

/** The bytes as xxd prints them. */
function hexDump(bytes) {
  const rows = [];
  for (let offset = 0; offset < bytes.length; offset += BYTES_PER_ROW) {
    const row = bytes.subarray(offset, offset + BYTES_PER_ROW);
    const hex = (row.toString('hex').match(/.{1,4}/g) ?? []).join(' ').padEnd(39);
    const text = row.toString('latin1').replace(/[^ -~]/g, '.');
    rows.push(`${offset.toString(16).padStart(8, '0')}: ${hex}  ${text}`);
  }
  return `${rows.join('\n')}\n`;
}

function show(commandArguments, pipe = '', format = (bytes) => bytes) {
  const output = format(hexz(commandArguments));
  process.stdout.write(`\n$ hexz ${commandArguments.join(' ')}${pipe}\n${output}`);
}

/** Mounts the snapshot writable, changes a few bytes of its disk, and unmounts. */
function showMount() {
  const directory = mkdtempSync(join(tmpdir(), 'hexz-demo-'));
  const mountpoint = join(directory, 'mountpoint');
  const overlay = join(directory, 'changes.overlay');
  try {
    mkdirSync(mountpoint);
    show(['mount', SNAPSHOT, mountpoint, '--rw', '--overlay', overlay, '--daemon']);
    try {
      const sizes = readdirSync(mountpoint).map(
        (name) => `${name}  ${statSync(join(mountpoint, name)).size} bytes\n`,
      );
      process.stdout.write(`\n$ ls ${mountpoint}\n${sizes.join('')}`);
      process.stdout.write('\n(8 bytes are written into the disk at offset 100000)\n');
      const disk = openSync(join(mountpoint, 'disk'), 'r+');
      writeSync(disk, 'new text', 100_000);
      closeSync(disk);
    } finally {
      show(['unmount', mountpoint]);
    }
    show(['overlay', 'verify', overlay]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

show(['info', SNAPSHOT]);
show(['extract', SNAPSHOT, '--stream', 'disk', '--length', '64'], ' | xxd', hexDump);

const { canMount } = JSON.parse(hexz(['doctor', '--json'], [0, 6]));
if (canMount) showMount();
else
  process.stdout.write(
    '\nThis machine cannot mount with FUSE yet; hexz doctor says what it lacks.\n',
  );

process.stdout.write('\nIn this checkout, "hexz" is "node dist/cli/main.js".\n');

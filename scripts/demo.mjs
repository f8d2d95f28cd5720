// Shows a newcomer two commands of hexz on a small snapshot. `npm run demo` builds first.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const SNAPSHOT = 'fixtures/golden/a-lz4-64k-disk.hxz';
const BYTES_PER_ROW = 16;

const root = join(import.meta.dirname, '..');

/** Runs hexz and returns its standard output; ends the demo with the same exit status when hexz fails. */
function hexz(commandArguments) {
  const { error, status, stdout } = spawnSync(
    process.execPath,
    ['dist/cli/main.js', ...commandArguments],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
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

const infoArguments = ['info', SNAPSHOT];
process.stdout.write(`$ hexz ${infoArguments.join(' ')}\n${hexz(infoArguments)}`);

const extractArguments = ['extract', SNAPSHOT, '--stream', 'disk', '--length', '64'];
process.stdout.write(
  `\n$ hexz ${extractArguments.join(' ')} | xxd\n${hexDump(hexz(extractArguments))}`,
);

process.stdout.write('\nIn this checkout, "hexz" is "node dist/cli/main.js".\n');

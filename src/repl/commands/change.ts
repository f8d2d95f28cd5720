import { readFile } from 'node:fs/promises';
import { MAX_QUIESCE_MS, MAX_WRITE_BYTES } from '../../engine/control/protocol/methods.js';
import { HexzError } from '../../engine/errors.js';
import { readPassword, unreadable } from '../files.js';
import { facts } from '../rendering/rendering.js';
import { commitRendering } from '../rendering/snapshots.js';
import { countOf, formatOffset } from '../rendering/values.js';
import { defineCommand, flag, option, optional, required } from './definition.js';
import {
  bytesKind,
  choice,
  durationKind,
  fileKind,
  lengthKind,
  offsetKind,
  textKind,
} from './kinds.js';

export const writeCommand = defineCommand({
  name: 'write',
  group: 'Changes',
  summary: 'Writes bytes into the overlay, once `set write on` allows it',
  details: [
    'The snapshot is never written. BYTES are text, or hexadecimal digits behind `x:`; `--from` takes them from a file. It is refused (exit status 7) while something above the mount keeps bytes of its own: a loop device, an NBD client, a mapping, a writer. `--force` does it all the same; what is mounted on the disk may then be corrupted.',
  ],
  examples: [
    'write disk 0x438 x:53ef',
    "write disk 0x1000 'hello'",
    'write disk 1M --from boot.bin',
  ],
  arguments: {
    stream: required(choice('disk', ['disk']), 'only the disk can be written'),
    offset: required(offsetKind, 'where to begin'),
    bytes: optional(bytesKind, 'what to write'),
  },
  options: {
    from: option(fileKind, 'write what is in this file'),
    force: flag('also while something uses the disk'),
  },
  async run({ session, signal, usageError, onProgress }, { offset, bytes, from, force }) {
    if (bytes === undefined && from === undefined) {
      throw usageError('BYTES are missing', 'or --from FILE, which holds them');
    }
    if (bytes !== undefined && from !== undefined) {
      throw usageError('give either BYTES or --from FILE, not both');
    }
    if (session.settings.write !== 'on') {
      throw new HexzError('READ_ONLY', 'writing is off in this session', {
        hint: '`set write on` allows it',
      });
    }
    const all = bytes ?? (await readBytes(from ?? ''));
    for (let at = 0; at < all.length; at += MAX_WRITE_BYTES) {
      const chunk = all.subarray(at, at + MAX_WRITE_BYTES).toString('base64');
      const params = { offset: offset + at, bytes: chunk, force };
      await session.client.request('write', params, { signal });
      onProgress({ doneBytes: at, totalBytes: all.length });
    }
    session.cursors.set('disk', offset + all.length);
    return { offset, written: all.length };
  },
}).shownAs(
  facts(({ offset, written }) => [
    ['offset', formatOffset(offset), offset],
    ['written', countOf(written, 'byte'), written],
  ]),
);

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

export const commitCommand = defineCommand({
  name: 'commit',
  group: 'Changes',
  summary: 'Makes a new snapshot of the disk as it is now, while the mount goes on',
  details: [
    'What the review drops is left out, unless `--all` is given, and stays in the overlay, which lies on its base as before. `--dry-run` says what would be made. File systems on the disk should be synced first; `sync` does that for what hexz holds.',
  ],
  examples: [
    'commit patched.hxz --thin --message "fix resolv.conf"',
    'commit patched.hxz --dry-run',
  ],
  arguments: { output: required(fileKind, 'the new snapshot') },
  options: {
    dryRun: flag('say what would be made, and make nothing'),
    force: flag('replace an existing file'),
    thin: flag('borrow what has not changed from the base'),
    compression: option(
      choice('lz4|zstd', ['lz4', 'zstd']),
      'how blocks are compressed (default: lz4)',
    ),
    blockSize: option(lengthKind, 'bytes of a block (default: those of the base)'),
    message: option(textKind('TEXT'), 'why it was made, kept in the snapshot'),
    dropMemory: flag('leave the memory out'),
    all: flag('also what the review drops'),
    newPasswordFile: option(fileKind, 'encrypt it with the password in this file'),
    verifyAll: flag('read every byte back and compare it'),
  },
  async run({ session, signal, onProgress }, values) {
    const { output, dryRun, force, thin, compression, blockSize, message, newPasswordFile } =
      values;
    const params = {
      output,
      force,
      thin,
      compression,
      blockBytes: blockSize,
      message,
      dropsMemory: values.dropMemory,
      password: newPasswordFile === undefined ? undefined : await readPassword(newPasswordFile),
      usesReview: !values.all,
      verifiesAll: values.verifyAll,
    };
    return session.client.request(dryRun ? 'planCommit' : 'commit', params, { signal, onProgress });
  },
}).shownAs(commitRendering);

export const quiesceCommand = defineCommand({
  name: 'quiesce',
  group: 'Changes',
  summary: 'Brings everything onto the disk of this machine, and holds further writes for a time',
  details: [
    `Programs that write to the mount wait until \`resume\`, until TIME is over, or until the session ends. TIME is at most ${MAX_QUIESCE_MS / 1000}s, which is also what holds without it.`,
  ],
  examples: ['quiesce 5s'],
  arguments: { time: optional(durationKind, 'how long') },
  options: {},
  async run({ session, signal, usageError }, { time = MAX_QUIESCE_MS }) {
    if (time < 1 || time > MAX_QUIESCE_MS) {
      throw usageError(`writes can be held for 1ms to ${MAX_QUIESCE_MS / 1000}s`);
    }
    await session.client.request('quiesce', { milliseconds: time }, { signal });
    return { milliseconds: time };
  },
}).shownAs({
  text: ({ milliseconds }) => [`writes are held for ${milliseconds / 1000} s, or until resume\n`],
  table: ({ milliseconds }) => [`milliseconds\t${milliseconds}\n`],
});

export const resumeCommand = defineCommand({
  name: 'resume',
  group: 'Changes',
  summary: 'Lets writes go on that `quiesce` holds',
  arguments: {},
  options: {},
  run: ({ session, signal }) => session.client.request('resume', {}, { signal }),
}).shownAs({ text: () => ['writes go on\n'], table: () => [] });

export const syncCommand = defineCommand({
  name: 'sync',
  group: 'Changes',
  summary: 'Brings everything that was written onto the disk of this machine',
  arguments: {},
  options: {},
  run: ({ session, signal }) => session.client.request('sync', {}, { signal }),
}).shownAs({ text: () => ['everything is on the disk of this machine\n'], table: () => [] });

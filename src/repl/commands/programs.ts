import type { EngineState } from '../../engine/control/protocol/engineState.js';
import { outputOf, programFailure, runProgram } from '../program.js';
import { facts } from '../rendering/rendering.js';
import { defineCommand, flag, required, type SessionState, verbatim } from './definition.js';
import { directoryKind, textKind } from './kinds.js';

/** What programs learn of the engine from their environment. */
export async function programEnvironment(
  { client }: SessionState,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const { snapshot, mount, overlay } = await client.request('state', {}, { signal });
  return {
    HEXZ_SNAPSHOT: snapshot.path,
    ...(mount === null ? {} : { HEXZ_MOUNT: mount.mountpoint }),
    ...(overlay === null ? {} : { HEXZ_OVERLAY: overlay.path }),
  };
}

export const shellCommand = defineCommand({
  name: 'sh',
  aliases: ['!'],
  group: 'Mount and programs',
  summary: 'Runs the rest of the line, as it is, with /bin/sh -c',
  details: [
    'In its environment are `HEXZ_MOUNT` (the mountpoint, if there is a mount), `HEXZ_SNAPSHOT`, and `HEXZ_OVERLAY` if there is one. A status other than 0 is the error `PROGRAM_FAILED`. With `--json`, what it prints is captured: `stdout`, `stderr`, `status`, of each output the first 16 MiB.',
  ],
  examples: [
    'sh e2fsck -fn "$HEXZ_MOUNT/disk"',
    'sh cmp "$HEXZ_MOUNT/disk" expected.img && echo same',
  ],
  arguments: { command: verbatim(textKind('COMMAND'), 'what the shell runs') },
  options: {},
  async run({ session, signal, programOutput }, { command }) {
    const env = await programEnvironment(session, signal);
    return runProgram(command, { env, output: programOutput, signal });
  },
  failure: programFailure,
}).shownAs({ text: outputOf, table: outputOf });

const mountedAt = facts<EngineState>(({ mount }) => [['mount', mount?.mountpoint ?? 'none']]);

export const mountCommand = defineCommand({
  name: 'mount',
  group: 'Mount and programs',
  summary: 'Mounts what the engine serves, if it has no mount',
  examples: ['mount /mnt/web-01'],
  arguments: { directory: required(directoryKind, 'an empty directory') },
  options: { allowOther: flag('let other users use the mount') },
  run: ({ session, signal }, { directory, allowOther }) =>
    session.client.request('mount', { mountpoint: directory, allowOther }, { signal }),
}).shownAs(mountedAt);

export const unmountCommand = defineCommand({
  name: 'unmount',
  aliases: ['umount'],
  group: 'Mount and programs',
  summary: 'Takes the mount away; the session goes on without',
  details: [
    'In a session that is attached to a mount which others have made, `--force` has to say that it is meant. An engine that is there for its mount alone, as a daemon is, ends with it; commands that need it then fail.',
  ],
  arguments: {},
  options: {
    lazy: flag('detach it now, and serve what is open until it is closed'),
    force: flag('also a mount that is not of this session'),
  },
  async run({ session, signal, usageError }, { lazy, force }) {
    const { lease } = await session.client.request('state', {}, { signal });
    const isLast = lease === 'mount' || lease === 'orphaned';
    if (!session.ownsEngine && !force) {
      const consequence = isLast ? ', and the engine ends with it' : '';
      throw usageError(
        `the mount is not of this session, which is attached to it${consequence}`,
        'unmount --force takes it away all the same',
      );
    }
    await session.client.request('unmount', { isLazy: lazy }, { signal });
    if (isLast) session.expectEnd();
    if (isLast && !lazy) await session.client.closed;
    return { endsEngine: isLast };
  },
}).shownAs({
  *text({ endsEngine }) {
    yield endsEngine ? 'unmounted; the engine ends with its mount\n' : 'unmounted\n';
  },
  table: () => [],
});

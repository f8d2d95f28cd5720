import { chmodSync, copyFileSync, linkSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { jsonOf } from '../support/cli.js';
import { stateOf } from '../support/directory.js';
import { goldenPath } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { runTool } from '../support/tools.js';

const hexz = mounts();
const SNAPSHOT = goldenPath('a-lz4-64k-disk.hxz');
const ENCRYPTED = goldenPath('a-lz4-encrypted.hxz');

interface Refusal {
  /** What follows `hexz mount`. */
  readonly args: (files: Files) => readonly string[];
  readonly code: string;
  readonly status: number;
  /** Parts of the message. */
  readonly says: readonly (string | RegExp)[];
}

interface Files {
  /** A copy of a snapshot. */
  readonly snapshot: string;
  /** An empty directory. */
  readonly mountpoint: string;
  readonly path: (name: string) => string;
}

const refusals: Record<string, Refusal> = {
  'a mountpoint that does not exist': {
    args: ({ snapshot, path }) => [snapshot, path('absent')],
    code: 'MOUNTPOINT_UNUSABLE',
    status: 6,
    says: ['/absent', 'does not exist', 'mkdir'],
  },
  'a mountpoint that is a file': {
    args: ({ snapshot }) => [snapshot, snapshot],
    code: 'MOUNTPOINT_UNUSABLE',
    status: 6,
    says: ['not a directory'],
  },
  'a mountpoint with files': {
    args: ({ snapshot, path }) => [snapshot, path('.')],
    code: 'MOUNTPOINT_UNUSABLE',
    status: 6,
    says: ['not empty'],
  },
  'a mountpoint that is a mount': {
    args: ({ snapshot }) => [snapshot, '/proc'],
    code: 'MOUNTPOINT_UNUSABLE',
    status: 6,
    says: ['/proc', 'a mount already', 'proc'],
  },
  'a snapshot that does not exist': {
    args: ({ mountpoint, path }) => [path('absent.hxz'), mountpoint],
    code: 'UNREADABLE',
    status: 3,
    says: ['/absent.hxz', 'no such file'],
  },
  'a file that is no snapshot': {
    args: ({ mountpoint, path }) => {
      writeFileSync(path('text'), 'no snapshot '.repeat(1000));
      return [path('text'), mountpoint];
    },
    code: 'BAD_MAGIC',
    status: 3,
    says: ['/text', 'not a'],
  },
  'a thin snapshot without its parent': {
    args: ({ mountpoint, path }) => {
      copyFileSync(goldenPath('a-thin-l1.hxz'), path('thin.hxz'));
      return [path('thin.hxz'), mountpoint];
    },
    code: 'PARENT_MISSING',
    status: 3,
    says: ['a-lz4-64k-disk.hxz'],
  },
  'no password': {
    args: ({ mountpoint }) => [ENCRYPTED, mountpoint],
    code: 'PASSWORD_REQUIRED',
    status: 5,
    says: ['password'],
  },
  'a wrong password': {
    args: ({ mountpoint, path }) => {
      writeFileSync(path('password'), 'wrong');
      return [ENCRYPTED, mountpoint, '--password-file', path('password')];
    },
    code: 'AUTH',
    status: 5,
    says: [/wrong password/i],
  },
  'an overlay in a directory that does not exist': {
    args: ({ snapshot, mountpoint, path }) => [
      ...[snapshot, mountpoint, '--rw'],
      ...['--overlay', path('absent/overlay')],
    ],
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['absent/overlay', 'no such file or directory'],
  },
  'an overlay that is a directory': {
    args: ({ snapshot, mountpoint, path }) => [
      ...[snapshot, mountpoint, '--rw'],
      ...['--overlay', path('.')],
    ],
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['is a directory'],
  },
  'an overlay with the name of a list': {
    args: ({ snapshot, mountpoint, path }) => [
      ...[snapshot, mountpoint, '--rw'],
      ...['--overlay', path('overlay.meta')],
    ],
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['overlay.meta', 'cannot end in .meta'],
  },
  'the snapshot as overlay': {
    args: ({ snapshot, mountpoint }) => [snapshot, mountpoint, '--rw', '--overlay', snapshot],
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['into the snapshot'],
  },
  'a link to the snapshot as overlay': {
    args: ({ snapshot, mountpoint, path }) => {
      symlinkSync(snapshot, path('link'));
      return [snapshot, mountpoint, '--rw', '--overlay', path('link')];
    },
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['into the snapshot'],
  },
  'the parent of the snapshot as overlay': {
    args: ({ snapshot, mountpoint, path }) => {
      copyFileSync(goldenPath('a-thin-l1.hxz'), path('thin.hxz'));
      linkSync(snapshot, path('a-lz4-64k-disk.hxz'));
      return [path('thin.hxz'), mountpoint, '--rw', '--overlay', snapshot];
    },
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['into the snapshot'],
  },
  'the snapshot as list of an overlay': {
    args: ({ snapshot, mountpoint, path }) => {
      linkSync(snapshot, path('overlay.meta'));
      return [path('overlay.meta'), mountpoint, '--rw', '--overlay', path('overlay')];
    },
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['overlay.meta', 'into the snapshot'],
  },
  'an overlay under the mountpoint': {
    args: ({ snapshot, mountpoint }) => [
      ...[snapshot, mountpoint, '--rw'],
      ...['--overlay', `${mountpoint}/overlay`],
    ],
    code: 'OVERLAY_UNUSABLE',
    status: 8,
    says: ['under the mount'],
  },
  'data without a list': {
    args: ({ snapshot, mountpoint, path }) => {
      writeFileSync(path('overlay'), Buffer.alloc(4096));
      return [snapshot, mountpoint, '--rw', '--overlay', path('overlay')];
    },
    code: 'OVERLAY_DAMAGED',
    status: 7,
    says: ['overlay.meta', 'missing'],
  },
  'a list without data': {
    args: ({ snapshot, mountpoint, path }) => {
      writeFileSync(path('overlay.meta'), Buffer.alloc(8));
      return [snapshot, mountpoint, '--rw', '--overlay', path('overlay')];
    },
    code: 'OVERLAY_DAMAGED',
    status: 7,
    says: ['overlay.meta'],
  },
  'a side file that is none': {
    args: ({ snapshot, mountpoint, path }) => {
      writeFileSync(path('overlay'), '');
      writeFileSync(path('overlay.meta'), '');
      writeFileSync(path('overlay.hexz.json'), '{');
      return [snapshot, mountpoint, '--rw', '--overlay', path('overlay')];
    },
    code: 'OVERLAY_DAMAGED',
    status: 7,
    says: ['overlay.hexz.json', 'JSON'],
  },
  'no disk to write to': {
    args: ({ mountpoint }) => [goldenPath('a-lz4-memory-only.hxz'), mountpoint, '--rw'],
    code: 'NO_STREAM',
    status: 3,
    says: ['no disk'],
  },
};

const usages: Record<string, readonly string[]> = {
  'no mountpoint': [SNAPSHOT],
  'nothing at all': [],
  'too many arguments': [SNAPSHOT, '/mnt', '/mnt'],
  'an unknown option': [SNAPSHOT, '/mnt', '--read-write'],
  'a user by name': [SNAPSHOT, '/mnt', '--uid', 'root'],
  'a user below 0': [SNAPSHOT, '/mnt', '--uid=-1'],
  'a group beyond all': [SNAPSHOT, '/mnt', '--gid', '4294967295'],
  'a cache of no size': [SNAPSHOT, '/mnt', '--cache-size', 'much'],
  'an overlay without a name': [SNAPSHOT, '/mnt', '--overlay'],
};

function prepare(): Files {
  const directory = hexz.sandbox.newDirectory();
  const snapshot = `${directory}/disk.hxz`;
  copyFileSync(SNAPSHOT, snapshot);
  return {
    snapshot,
    mountpoint: hexz.newMountpoint(),
    path: (name) => (name === '.' ? directory : `${directory}/${name}`),
  };
}

describe.runIf(requires('FUSE'))('mount refuses', () => {
  test.each(Object.keys(refusals))('%s', async (name) => {
    const refusal = refusals[name];
    if (refusal === undefined) throw new Error(name);
    const files = prepare();
    const args = refusal.args(files);
    const before = stateOf(files.path('.'));
    for (const way of [[], ['--daemon']]) {
      const result = await hexz.run(['mount', '--json', ...way, ...args]);
      const { code, status } = refusal;
      expect(result).toMatchObject({ status });
      expect(jsonOf(result)).toMatchObject({ error: { code, exitStatus: status } });
      expect(result.stderr).toMatch(/^hexz: [^\n]*\n$/);
      for (const part of refusal.says) {
        if (typeof part === 'string') expect(result.stderr).toContain(part);
        else expect(result.stderr).toMatch(part);
      }
      expect(hexz.sandbox.processes()).toEqual([]);
    }
    expect(stateOf(files.path('.'))).toEqual(before);
    hexz.expectNothingLeft();
  });

  test('a mountpoint that is a mount of hexz, and names it', async () => {
    const { snapshot, mountpoint } = prepare();
    const { pid } = await hexz.mount(snapshot, [], { mountpoint });
    const result = await hexz.run(['mount', snapshot, mountpoint]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain(`served by process ${pid}`);
    expect(result.stderr).toContain(`hexz unmount ${mountpoint}`);
    expect(await hexz.status()).toHaveLength(1);
  });

  test('a temporary overlay where there is no temporary directory', async () => {
    const { snapshot, mountpoint, path } = prepare();
    const env = { TMPDIR: path('absent') };
    const result = await hexz.run(['mount', snapshot, mountpoint, '--rw'], { env });
    expect(result).toMatchObject({ status: 8 });
    expect(result.stderr).toContain('temporary overlay');
    expect(result.stderr).toContain('TMPDIR');
    hexz.expectNothingLeft();
  });

  test('a daemon that cannot have a log', async () => {
    const { snapshot, mountpoint, path } = prepare();
    const env = { XDG_RUNTIME_DIR: path('absent') };
    const result = await hexz.run(['mount', snapshot, mountpoint, '--daemon'], { env });
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain(`${path('absent')}/hexz`);
    expect(result.stderr).toContain('log');
    hexz.expectNothingLeft();
  });

  test('a registry that others could write to', async () => {
    const { snapshot, mountpoint } = prepare();
    const registry = `${hexz.sandbox.environment.XDG_RUNTIME_DIR}/hexz`;
    expect(runTool('mkdir', registry)).toBe(true);
    chmodSync(registry, 0o777);
    const result = await hexz.run(['mount', snapshot, mountpoint]);
    expect(result).toMatchObject({ status: 6 });
    expect(result.stderr).toContain(`chmod 700 ${registry}`);
    hexz.expectNothingLeft();
  });
});

describe('usage', () => {
  test.each(Object.keys(usages))('of mount with %s is exit 2', async (name) => {
    const result = await hexz.run(['mount', '--json', ...(usages[name] ?? [])]);
    expect(result).toMatchObject({ status: 2 });
    expect(jsonOf(result)).toMatchObject({ error: { code: 'USAGE', exitStatus: 2 } });
    expect(result.stderr).toMatch(/^hexz: [^\n]*\n$/);
  });

  test.each([
    ['unmount'],
    ['unmount', '/mnt', '/mnt'],
    ['unmount', '/mnt', '--force'],
    ['status', 'all'],
    ['doctor', 'who'],
  ])('%s %s %s is exit 2', async (...args) => {
    const result = await hexz.run(args);
    expect(result).toMatchObject({ status: 2 });
  });
});

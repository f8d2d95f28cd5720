import { closeSync, ftruncateSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HexzError } from '../../../errors.js';
import type { Content } from '../content.js';
import type { Ext4Spec } from '../spec.js';
import { writeContent } from '../writeContent.js';
import { runE2fsprogs } from './e2fsprogs.js';
import type { Tree, TreeEntry } from './tree.js';

/** A modern ext4, without what needs randomness and without a journal. */
const FEATURES = [
  'none',
  'ext_attr',
  'dir_index',
  'filetype',
  'extent',
  '64bit',
  'flex_bg',
  'sparse_super',
  'large_file',
  'huge_file',
  'dir_nlink',
  'extra_isize',
  'metadata_csum',
];

const IMAGE_NAME = 'image';
const INODE_BYTES = 256;
const BYTES_PER_INODE = 16 * 1024;
/** The reserved ones, and some to play with. */
const SPARE_INODES = 32;

const BAD_BLOCKS_INODE = 1;
const ROOT_INODE = 2;
const JOURNAL_INODE = 8;
const LOST_AND_FOUND_INODE = 11;

/** In the place of /etc/mke2fs.conf, which differs between machines. */
const CONFIGURATION = `[defaults]
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
[fs_types]
	ext2 = {
	}
	ext3 = {
	}
	ext4 = {
	}
	small = {
	}
	floppy = {
	}
`;

/** Type bits of a mode, and what permissions are without being told. */
const modes = {
  file: { type: 0o100000, permissions: 0o644 },
  directory: { type: 0o040000, permissions: 0o755 },
  symlink: { type: 0o120000, permissions: 0o777 },
};

/**
 * Makes the image of an ext4 with the programs of e2fsprogs: the same bytes from the same tree and the same
 * version of them, whoever runs it, where and when.
 *
 * `mke2fs -d` would take names in the order in which a directory of this machine lists them, and times and
 * owners from its files. So an empty file system is made and filled by commands of debugfs, in the order of
 * the tree; then all times, owners and modes are set, those of inodes that nobody made included.
 *
 * @param directory for files that are needed meanwhile; empty, and emptied
 * @throws HexzError TOOL_MISSING, OUTPUT_FAILED; what the signal was aborted with
 */
export async function makeImage(
  imagePath: string,
  spec: Ext4Spec,
  tree: Tree,
  directory: string,
  signal?: AbortSignal,
): Promise<void> {
  const configuration = join(directory, 'mke2fs.conf');
  writeFileSync(configuration, CONFIGURATION, { mode: 0o600 });
  const environment = {
    MKE2FS_CONFIG: configuration,
    E2FSPROGS_FAKE_TIME: String(spec.time),
  };
  // By a bare name, which is what messages of the programs tell.
  makeEmptyFile(join(directory, IMAGE_NAME), spec.sizeBytes);
  const parameters = mke2fsParameters(spec, tree);
  await runE2fsprogs({ program: 'mke2fs', parameters, directory, environment, signal });
  const contents = [...tree.values()].flatMap(({ kind }) =>
    kind.type === 'file' ? [kind.content] : [],
  );
  await writeContents(contents, directory, signal);
  const commands = 'commands';
  writeFileSync(join(directory, commands), `${debugfsCommands(spec, tree).join('\n')}\n`, {
    mode: 0o600,
  });
  const message = await runE2fsprogs({
    program: 'debugfs',
    parameters: ['-w', '-f', commands, IMAGE_NAME],
    directory,
    environment,
    signal,
  });
  // It goes on after a command that failed, and ends with status 0. Beside errors it says who it is.
  const errors = message.split('\n').filter((line) => line !== '' && !line.startsWith('debugfs '));
  if (errors[0] !== undefined) {
    throw new HexzError('OUTPUT_FAILED', `the ext4 cannot be filled: debugfs says ${errors[0]}`, {
      hint: 'is its size large enough?',
    });
  }
  renameSync(join(directory, IMAGE_NAME), imagePath);
  rmSync(directory, { recursive: true, force: true });
}

function makeEmptyFile(path: string, length: number): void {
  const descriptor = openSync(path, 'wx', 0o600);
  ftruncateSync(descriptor, length);
  closeSync(descriptor);
}

const contentName = (index: number): string => `content-${index}`;

async function writeContents(
  contents: readonly Content[],
  directory: string,
  signal?: AbortSignal,
): Promise<void> {
  for (const [index, content] of contents.entries()) {
    await writeContent(content, join(directory, contentName(index)), signal);
  }
}

function mke2fsParameters(spec: Ext4Spec, tree: Tree): readonly string[] {
  const { sizeBytes, blockBytes, journalBytes } = spec;
  const inodeCount =
    spec.inodeCount ?? Math.max(Math.floor(sizeBytes / BYTES_PER_INODE), tree.size + SPARE_INODES);
  const features = journalBytes === undefined ? FEATURES : [...FEATURES, 'has_journal'];
  const extended = [
    `hash_seed=${spec.hashSeed}`,
    'root_owner=0:0',
    // Whether tables are left to the kernel depends on the kernel otherwise.
    'lazy_itable_init=0',
    'lazy_journal_init=0',
    'nodiscard',
  ];
  return [
    ...['-q', '-F', '-r', '1', '-o', 'Linux', '-m', '0', '-e', 'continue'],
    ...['-b', String(blockBytes), '-g', String(8 * blockBytes), '-G', '16'],
    ...['-I', String(INODE_BYTES), '-N', String(inodeCount)],
    ...['-L', spec.label, '-U', spec.uuid, '-O', features.join(',')],
    ...(journalBytes === undefined ? [] : ['-J', `size=${journalBytes / 1024 ** 2}`]),
    ...['-E', extended.join(',')],
    IMAGE_NAME,
    String(sizeBytes / blockBytes),
  ];
}

function debugfsCommands(spec: Ext4Spec, tree: Tree): readonly string[] {
  const linkCounts = new Map<string, number>();
  const filling: string[] = [];
  let directory = '';
  let fileIndex = 0;
  for (const [path, { kind }] of tree) {
    const [above, name] = split(path);
    // Some commands take paths, others names in the current directory.
    if (above !== directory) filling.push(`cd ${quoted(`/${above}`)}`);
    directory = above;
    if (kind.type === 'directory') filling.push(`mkdir ${quoted(name)}`);
    else if (kind.type === 'symlink') {
      filling.push(`symlink ${quoted(name)} ${quoted(kind.target)}`);
    } else if (kind.type === 'file') {
      filling.push(`write ${contentName(fileIndex++)} ${quoted(name)}`);
    }
  }
  filling.push('cd /');
  // Behind all files, for a link may come before its file.
  for (const [path, { kind }] of tree) {
    if (kind.type !== 'hardlink') continue;
    filling.push(`ln ${quoted(`/${kind.path}`)} ${quoted(`/${path}`)}`);
    linkCounts.set(kind.path, (linkCounts.get(kind.path) ?? 1) + 1);
  }
  const linking = [...linkCounts].map(([path, count]) =>
    setField(`/${path}`, 'links_count', count),
  );
  const attributes = [...tree].flatMap(([path, entry]) =>
    attributesOf(`/${path}`, entry, spec.time),
  );
  return [...filling, ...linking, ...attributes, ...reservedAttributes(spec)];
}

function attributesOf(path: string, entry: TreeEntry, defaultTime: number): readonly string[] {
  const { kind, mode, uid, gid, time = defaultTime } = entry;
  if (kind.type === 'hardlink') return [];
  const { type, permissions } = modes[kind.type];
  return [
    setField(path, 'mode', `0${(type | (mode ?? permissions)).toString(8)}`),
    setField(path, 'uid', uid),
    setField(path, 'gid', gid),
    setField(path, 'generation', 0),
    ...times(path, time),
    ...extraTimes(path),
  ];
}

/** Of what mke2fs makes by itself. */
function reservedAttributes({ time, journalBytes }: Ext4Spec): readonly string[] {
  const made = [
    ROOT_INODE,
    LOST_AND_FOUND_INODE,
    ...(journalBytes === undefined ? [] : [JOURNAL_INODE]),
  ];
  return [
    // It has no room for more.
    ...['atime', 'ctime', 'mtime'].map((name) =>
      setField(`<${BAD_BLOCKS_INODE}>`, name, `@${time}`),
    ),
    ...made
      .map((inode) => `<${inode}>`)
      .flatMap((inode) => [
        setField(inode, 'uid', 0),
        setField(inode, 'gid', 0),
        setField(inode, 'generation', 0),
        ...times(inode, time),
        ...extraTimes(inode),
      ]),
  ];
}

const times = (inode: string, time: number): readonly string[] =>
  ['atime', 'ctime', 'mtime', 'crtime'].map((name) => setField(inode, name, `@${time}`));

/** Nanoseconds, and what comes after 2038. */
const extraTimes = (inode: string): readonly string[] =>
  ['atime_extra', 'ctime_extra', 'mtime_extra', 'crtime_extra'].map((name) =>
    setField(inode, name, 0),
  );

const setField = (inode: string, name: string, value: number | string): string =>
  `set_inode_field ${quoted(inode)} ${name} ${value}`;

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

function split(path: string): readonly [string, string] {
  const slash = path.lastIndexOf('/');
  return [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
}

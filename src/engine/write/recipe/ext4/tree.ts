import type { HexzError } from '../../../errors.js';
import type { Content } from '../content.js';
import { compareBytes } from '../inputs.js';
import { MAX_NAME_BYTES, MAX_TREE_ENTRIES, MAX_TREE_PATH_BYTES } from '../limits.js';

/** What a file system shall hold, by path without slashes at its ends. */
export type Tree = ReadonlyMap<string, TreeEntry>;

export interface TreeEntry {
  readonly kind:
    | { readonly type: 'file'; readonly content: Content }
    | { readonly type: 'directory' }
    | { readonly type: 'symlink'; readonly target: string }
    | { readonly type: 'hardlink'; readonly path: string };
  readonly mode: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly time: number | undefined;
}

/** What the commands of debugfs cannot carry, and what nobody wants on a terminal. */
const UNSAFE = /[\p{Cc}\u2028\u2029]/u;
const MAX_TARGET_BYTES = 2048;

type Refuse = (path: string, message: string) => HexzError;

/**
 * Checks a tree, and adds the directories that its paths imply.
 *
 * @param refuse makes the error of a path
 * @returns in the order of its paths' bytes, so each directory before its contents
 */
export function completeTree(entries: Tree, refuse: Refuse): Tree {
  const complete = new Map(entries);
  for (const path of entries.keys()) {
    const problem = problemOf(path);
    if (problem !== undefined) throw refuse(path, problem);
    for (const directory of directoriesAbove(path)) {
      if (!complete.has(directory)) complete.set(directory, IMPLIED_DIRECTORY);
      if (complete.get(directory)?.kind.type !== 'directory') {
        throw refuse(path, `${directory} is no directory`);
      }
    }
  }
  if (complete.size > MAX_TREE_ENTRIES) {
    throw refuse('', `more than ${MAX_TREE_ENTRIES} files and directories`);
  }
  for (const [path, { kind }] of complete) checkLink(path, kind, complete, refuse);
  // By names, not by characters: "a/b" comes before "a b".
  const keys = [...complete.keys()].sort((a, b) => compareBytes(sortable(a), sortable(b)));
  return new Map(keys.map((key) => [key, complete.get(key) as TreeEntry]));
}

const IMPLIED_DIRECTORY: TreeEntry = {
  kind: { type: 'directory' },
  mode: undefined,
  uid: 0,
  gid: 0,
  time: undefined,
};

const sortable = (path: string): string => path.replaceAll('/', '\0');

function problemOf(path: string): string | undefined {
  const names = path.split('/');
  if (names[0] === 'lost+found') return 'lost+found is made by mke2fs';
  if (names.some((name) => name === '' || name === '.' || name === '..')) {
    return 'must be a path without leading slash, and without . and ..';
  }
  if (UNSAFE.test(path)) return 'must not hold control characters';
  if (Buffer.byteLength(path) > MAX_TREE_PATH_BYTES) {
    return `must have at most ${MAX_TREE_PATH_BYTES} bytes`;
  }
  const isLong = names.some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES);
  return isLong ? `a name has at most ${MAX_NAME_BYTES} bytes` : undefined;
}

function* directoriesAbove(path: string): Generator<string, void> {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    yield path.slice(0, slash);
  }
}

function checkLink(path: string, kind: TreeEntry['kind'], tree: Tree, refuse: Refuse): void {
  if (kind.type === 'symlink') {
    const { target } = kind;
    const isTooLong = Buffer.byteLength(target) > MAX_TARGET_BYTES;
    if (target === '' || UNSAFE.test(target) || isTooLong) {
      throw refuse(
        path,
        `the target must have 1 to ${MAX_TARGET_BYTES} bytes, without control characters`,
      );
    }
  }
  if (kind.type === 'hardlink' && tree.get(kind.path)?.kind.type !== 'file') {
    throw refuse(path, `there is no file ${kind.path} for a hard link`);
  }
}

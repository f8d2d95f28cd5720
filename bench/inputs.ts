import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadNativeLibrary } from '../src/engine/codec/nativeLibrary.js';
import type { Compression } from '../src/engine/format/types.js';
import { unpackDumps } from '../test/support/memory/realDumps.js';
import { type Packer, packLz4, SnapshotWriter } from '../test/support/snapshotWriter.js';

/** Inputs are made once and kept here between runs. */
const inputDirectory = join(tmpdir(), 'hexz-bench');

/** The checkout; benchmarks run from what is built in it. */
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

const IMAGE_BYTES = 1024 ** 3;
const FILES_BYTES = 850 * 1024 ** 2;
const BLOCK_BYTES = 65536;

/** A 1 GiB ext4 image that holds part of this machine's /usr. */
export function fileSystemImage(): string {
  return once('usr.ext4', (path) => {
    const tree = mkdtempSync(join(inputDirectory, 'tree-'));
    try {
      copySome('/usr/lib', tree, FILES_BYTES);
      execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', tree, path, String(IMAGE_BYTES / 1024)], {
        env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` },
      });
    } finally {
      rmSync(tree, { recursive: true });
    }
  });
}

/** The image as the disk of a snapshot, in 64 KiB blocks. */
export function fileSystemSnapshot(compression: Compression): string {
  const image = fileSystemImage();
  return once(`usr-${compression}.hxz`, (path) => {
    const pack = compression === 'lz4' ? packLz4 : zstdPacker();
    const writer = new SnapshotWriter(path, { compression, blockSize: BLOCK_BYTES }, pack);
    const zeros = Buffer.alloc(BLOCK_BYTES);
    const block = Buffer.alloc(BLOCK_BYTES);
    const descriptor = openSync(image, 'r');
    for (let offset = 0; offset < IMAGE_BYTES; offset += BLOCK_BYTES) {
      readSync(descriptor, block, 0, BLOCK_BYTES, offset);
      if (block.equals(zeros)) writer.addZero(BLOCK_BYTES);
      else writer.addData(Buffer.from(block));
    }
    closeSync(descriptor);
    writer.finish();
  });
}

/** A SquashFS image that holds the ext4 image as the file `disk`; undefined where its tools are missing. */
export function squashedImage(): string | undefined {
  for (const tool of ['mksquashfs', 'squashfuse']) {
    if (spawnSync(tool, ['--help'], { stdio: 'ignore' }).error !== undefined) return undefined;
  }
  const image = fileSystemImage();
  return once('usr.squashfs', (path) => {
    const tree = mkdtempSync(join(inputDirectory, 'tree-'));
    try {
      linkSync(image, join(tree, 'disk'));
      const blockBytes = String(BLOCK_BYTES);
      const options = ['-comp', 'lz4', '-b', blockBytes, '-no-progress', '-quiet', '-noappend'];
      execFileSync('mksquashfs', [tree, path, ...options]);
    } finally {
      rmSync(tree, { recursive: true });
    }
  });
}

/** The image as qemu compresses it. */
export function compressedQcow2(): string {
  const image = fileSystemImage();
  return once('usr.qcow2', (path) => {
    const options = ['-O', 'qcow2', '-c', '-o', 'compression_type=zstd'];
    execFileSync('qemu-img', ['convert', '-f', 'raw', ...options, image, path]);
  });
}

/** 1 TiB of logical disk in 16 million blocks: zero blocks and blocks that share 8192 stored ones. */
export function sparseTebibyte(): string {
  return once('tebibyte-8192.hxz', (path) => {
    const writer = new SnapshotWriter(path, { blockSize: BLOCK_BYTES });
    const stored = Array.from({ length: 8192 }, (_, number) => writer.addData(halfRandom(number)));
    for (let block = stored.length; block < 1024 ** 4 / BLOCK_BYTES; block++) {
      const entry = stored[(block * 40503) % 24571];
      if (entry === undefined) writer.addZero(BLOCK_BYTES);
      else writer.addShared(entry);
    }
    writer.finish();
  });
}

/** A directory with the memory of a guest in all its containers. */
export function memoryDumps(): string {
  return once('harbour-lamp-6.1', (path) => {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
    unpackDumps(PROJECT, 'harbour-lamp-6.1', path);
  });
}

function zstdPacker(): Packer {
  const library = loadNativeLibrary('libzstd.so.1');
  if (library === undefined) throw new Error('the zstd benchmark needs libzstd and koffi');
  const compress = library.func(
    'size_t ZSTD_compress(void* target, size_t targetLength, const void* source, size_t sourceLength, int level)',
  );
  const target = Buffer.alloc(BLOCK_BYTES + 1024);
  return (plain) =>
    Buffer.from(
      target.subarray(0, Number(compress(target, target.length, plain, plain.length, 3))),
    );
}

/** Half of a block is noise that depends on its number, the other half repeats: it compresses. */
function halfRandom(number: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, number & 0xff);
  for (let offset = 0; offset < BLOCK_BYTES / 2; offset += 32) {
    createHash('sha256').update(`${number}:${offset}`).digest().copy(block, offset);
  }
  return block;
}

function once(name: string, make: (path: string) => void): string {
  mkdirSync(inputDirectory, { recursive: true });
  const path = join(inputDirectory, name);
  if (!existsSync(path)) {
    process.stderr.write(`making ${name} …\n`);
    make(`${path}.part`);
    renameSync(`${path}.part`, path);
  }
  return path;
}

/** Copies files of a tree, in the order of their names, up to a number of bytes; returns what is left of it. */
function copySome(from: string, to: string, bytes: number): number {
  let left = bytes;
  for (const entry of readdirSync(from, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (left <= 0) break;
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) {
      mkdirSync(target);
      left = copySome(source, target, left);
    } else if (entry.isFile() && statSync(source).size <= left) {
      cpSync(source, target);
      left -= statSync(source).size;
    }
  }
  return left;
}

import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blake3 } from '../../src/engine/codec/blake3.js';
import { openSnapshot } from '../../src/index.js';
import { jsonOf, runCli } from '../support/cli.js';
import { goldenFixture, goldenPath, malformedPath } from '../support/fixtures.js';
import { damage } from '../support/patch.js';
import { SnapshotWriter } from '../support/snapshotWriter.js';
import { someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const publicKey = goldenPath('keys/public.key');

function newKey(length: number): string {
  const path = join(newDirectory(), 'key');
  writeFileSync(path, randomBytes(length));
  return path;
}

/** A copy of a golden file with these blocks of its disk stream damaged. */
function damagedCopy(file: string, blocks: readonly number[]): string {
  const copy = join(newDirectory(), file);
  copyFileSync(goldenPath(file), copy);
  const snapshot = openSnapshot(copy);
  const list = [...snapshot.blocks('disk')];
  snapshot.close();
  for (const number of blocks) {
    const block = list[number];
    if (block !== undefined) damage(copy, block);
  }
  return copy;
}

describe.concurrent('a sound snapshot', () => {
  test('is ok, with all its parents', async () => {
    const { status, stdout, stderr } = await runCli(['verify', goldenPath('a-thin-l2.hxz')]);
    expect([status, stderr]).toEqual([0, '']);
    const lines = stdout.toString().trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/; .*/, ''))).toEqual([
      ...['a-thin-l2.hxz', 'a-thin-l1.hxz', 'a-lz4-64k-disk.hxz'].map(
        (file) => `${goldenPath(file)}: ok`,
      ),
      'all files of the chain: ok',
    ]);
  });

  test('is counted in JSON', async () => {
    const { file, disk, memory } = goldenFixture('s-lz4-short-pages');
    const result = await runCli(['verify', goldenPath(file), '--json']);
    expect(result.status).toBe(0);
    expect(jsonOf(result)).toEqual({
      path: goldenPath(file),
      badBlocks: [],
      ok: true,
      files: [
        {
          path: goldenPath(file),
          ok: true,
          dataBlocks: disk.data_blocks + memory.data_blocks,
          zeroBlocks: disk.zero_blocks + memory.zero_blocks,
          parentBlocks: 0,
          hashedBlocks: expect.any(Number) as unknown,
          checkedBytes: disk.covered + memory.covered,
          uncoveredBytes: 0,
          badBlocks: 0,
        },
      ],
      signature: { result: 'not checked' },
    });
  });
});

describe.concurrent('a damaged snapshot', () => {
  test('is exit 4, and every bad block is listed', async () => {
    const copy = damagedCopy('a-lz4-64k-disk.hxz', [0, 2, 4]);
    const { status, stdout, stderr } = await runCli(['verify', copy]);
    expect([status, stderr]).toEqual([4, '']);
    const lines = stdout.toString().trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    [0, 2, 4].forEach((block, line) => {
      const place = `bad: CRC: ${copy}: disk stream, block ${block}, offset ${block * 65536}: `;
      expect(lines[line]).toContain(place);
    });
    expect(lines[3]).toContain(`${copy}: DAMAGED, 3 bad blocks`);
  });

  test('is listed in one valid JSON document', async () => {
    const copy = damagedCopy('a-lz4-64k-disk.hxz', [1, 3]);
    const result = await runCli(['verify', copy, '--json']);
    expect(result.status).toBe(4);
    const document = jsonOf(result);
    expect(document.ok).toBe(false);
    expect(document.badBlocks).toMatchObject([
      { code: 'CRC', file: copy, stream: 'disk', blockIndex: 1, offset: 65_536, length: 65_536 },
      { code: 'CRC', file: copy, stream: 'disk', blockIndex: 3, offset: 196_608, length: 65_536 },
    ]);
  });

  test('is found behind a parent that holds other data', async () => {
    const directory = newDirectory();
    const [right, wrong] = [someBytes(1000), someBytes(1000)];
    const base = new SnapshotWriter(join(directory, 'base.hxz'));
    base.addData(wrong);
    base.finish();
    const thin = join(directory, 'thin.hxz');
    const writer = new SnapshotWriter(thin, { parentPaths: ['base.hxz'] });
    writer.addParent(1000, blake3(right));
    writer.finish();
    const { status, stdout } = await runCli(['verify', thin]);
    expect(status).toBe(4);
    expect(stdout.toString()).toContain(`bad: PARENT_MISMATCH: ${thin}: disk stream, block 0`);
    const extracted = await runCli(['extract', thin, '--stream', 'disk']);
    expect([extracted.status, extracted.stdout.length]).toEqual([4, 0]);
  });

  test('whose parent is missing is exit 3, naming both', async () => {
    const copy = join(newDirectory(), 'thin.hxz');
    copyFileSync(goldenPath('a-thin-l1.hxz'), copy);
    const { status, stderr } = await runCli(['verify', copy]);
    expect(status).toBe(3);
    expect(stderr).toContain(`${copy}: its parent "a-lz4-64k-disk.hxz" was not found`);
    const found = await runCli(['verify', copy, '--parent-dir', goldenPath('.')]);
    expect(found.status).toBe(0);
  });
});

test('a line feed in the name of a parent cannot look like another line of the report', async () => {
  const directory = newDirectory();
  const name = 'base\nForged: ok';
  const base = new SnapshotWriter(join(directory, name));
  const entry = base.addData(someBytes(1000));
  base.finish();
  if (entry.kind === 'data') damage(join(directory, name), entry);
  const writer = new SnapshotWriter(join(directory, 'thin.hxz'), { parentPaths: [name] });
  writer.addParent(1000);
  writer.finish();
  const { status, stdout } = await runCli(['verify', join(directory, 'thin.hxz')]);
  expect(status).toBe(4);
  expect(stdout.toString()).toContain('bad: CRC: ');
  expect(stdout.toString()).not.toMatch(/^Forged/m);
});

describe.concurrent('verify --key', () => {
  const signed = goldenPath('a-lz4-signed.hxz');

  test('says that the signature is good, and what it covers', async () => {
    const { status, stdout } = await runCli(['verify', signed, '--key', publicKey]);
    expect(status).toBe(0);
    expect(stdout.toString()).toMatch(/^signature: good; the signature covers the master index/m);
    const json = await runCli(['verify', signed, '--key', publicKey, '--json']);
    expect(jsonOf(json)).toMatchObject({ ok: true, signature: { result: 'good' } });
  });

  test('is exit 1 with another key', async () => {
    const key = newKey(32);
    const { status, stdout } = await runCli(['verify', signed, '--key', key]);
    expect(status).toBe(1);
    expect(stdout.toString()).toMatch(/^signature: .*does not fit/m);
    const json = await runCli(['verify', signed, '--key', key, '--json']);
    expect(json.status).toBe(1);
    expect(jsonOf(json)).toMatchObject({
      ok: false,
      signature: { result: 'bad', error: { code: 'BAD_SIGNATURE' } },
    });
  });

  test('is exit 1 for a snapshot that is not signed', async () => {
    const path = goldenPath('a-lz4-4k-both.hxz');
    const { status, stdout } = await runCli(['verify', path, '--key', publicKey]);
    expect(status).toBe(1);
    expect(stdout.toString()).toMatch(/^signature: .*not signed/m);
  });

  test('is exit 4 when blocks are bad as well, or although the signature is good', async () => {
    const copy = damagedCopy('a-lz4-signed.hxz', [0]);
    for (const key of [publicKey, newKey(32)]) {
      const { status, stdout } = await runCli(['verify', copy, '--key', key]);
      expect(status).toBe(4);
      expect(stdout.toString()).toMatch(/^bad: CRC: .*\n(.*\n)*signature: /);
    }
  });

  test('is exit 3 for a file that is no key, or not there', async () => {
    for (const key of [newKey(31), newKey(0), join(newDirectory(), 'absent')]) {
      const { status, stdout, stderr } = await runCli(['verify', signed, '--key', key]);
      expect([status, stdout.length]).toEqual([3, 0]);
      expect(stderr).toContain('key');
    }
  });

  test('takes the first 32 bytes of a longer file for the key, as the Rust hexz does', async () => {
    const path = join(newDirectory(), 'long.key');
    writeFileSync(path, Buffer.concat([readFileSync(publicKey), randomBytes(9)]));
    expect((await runCli(['verify', signed, '--key', path])).status).toBe(0);
    expect((await runCli(['verify', signed, '--key', '/dev/zero'])).status).toBe(1);
  });

  test('is exit 3 for a key in another form', async () => {
    const raw = readFileSync(publicKey);
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
    const pem = `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`;
    const path = join(newDirectory(), 'other.key');
    for (const form of [der, pem, raw.toString('hex'), raw.toString('base64')]) {
      writeFileSync(path, form);
      const { status, stderr } = await runCli(['verify', signed, '--key', path]);
      expect([status, stderr]).toEqual([
        3,
        expect.stringMatching(/other\.key: the file does not begin with the 32 bytes of a key/),
      ]);
    }
  });

  test('is exit 1 for a signature of the wrong form', async () => {
    const path = malformedPath('signature-before-index.hxz');
    expect((await runCli(['verify', path, '--key', publicKey])).status).toBe(1);
  });
});

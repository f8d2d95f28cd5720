import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSnapshot, verifyChain } from '../../src/index.js';
import { runCli } from '../support/cli.js';
import { hasReference, referenceMounts, runReference } from '../support/reference.js';
import { requires } from '../support/requires.js';
import { expectSameBytes, readStream, someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';
import { changeDisk, diskUnder } from '../support/write/changedOverlay.js';

/*
 * Snapshots go from hexz to the Rust hexz, and the other way round. Whoever makes one, both read the same bytes: hexz
 * by itself, the Rust hexz through its mount.
 */

const newDirectory = temporaryDirectories();
const mountByReference = referenceMounts();

/** Runs a command of one of the two, which must succeed. */
type Tool = (cwd: string, args: readonly string[], password?: string) => Promise<void>;

const ours: Tool = async (cwd, args, password) => {
  const env: Record<string, string> = password === undefined ? {} : { HEXZ_PASSWORD: password };
  const { status, stderr } = await runCli(args, { cwd, env });
  expect([status, stderr.replaceAll(/^hexz: warning: .*\n/gm, '')]).toEqual([0, '']);
};

const theirs: Tool = async (cwd, args, password) => {
  expect(await runReference(cwd, args, password)).toBe(0);
};

const tools = [
  { by: 'hexz', tool: ours },
  { by: 'the Rust hexz', tool: theirs },
];

/** Noise, text, zeros and repetitions, of a length that is no multiple of anything. */
const content = (): Buffer =>
  Buffer.concat([
    someBytes(150_000),
    Buffer.from('some text that compresses well, '.repeat(4000)),
    Buffer.alloc(200_000),
    someBytes(70_001),
  ]);

interface Streams {
  readonly disk: Buffer;
  readonly memory: Buffer;
}

/** Puts the streams into a directory; answers what a command takes to pack them. */
function inputs(directory: string, streams: Partial<Streams>): string[] {
  return Object.entries(streams).flatMap(([name, bytes]) => {
    writeFileSync(join(directory, name), bytes);
    return [`--${name}`, name];
  });
}

async function expectBothRead(
  directory: string,
  file: string,
  expected: Streams,
  password?: string,
): Promise<void> {
  const snapshot = openSnapshot(join(directory, file), { passwords: password ?? [] });
  try {
    for (const { finding } of verifyChain(snapshot)) expect(finding?.error).toBeUndefined();
    expectSameBytes(readStream(snapshot, 'disk'), expected.disk);
    expectSameBytes(readStream(snapshot, 'memory'), expected.memory);
  } finally {
    snapshot.close();
  }
  const mount = await mountByReference(file, { cwd: directory, password });
  expectSameBytes(mount.read('disk'), expected.disk);
  expectSameBytes(mount.read('memory'), expected.memory);
  await mount.end();
}

const canRun = hasReference() && requires('FUSE', 'root');

describe.runIf(canRun)('a snapshot is the same to both', () => {
  const packings: readonly (readonly [options: string, password?: string])[] = [
    ['--compression lz4'],
    ['--compression lz4 --block-size 4096'],
    ['--compression lz4 --block-size 1000'],
    ['--compression lz4 --block-size 64'],
    ['--compression zstd'],
    ['--compression zstd --block-size 12345'],
    ['--compression zstd --block-size 1048576'],
    ['--compression zstd --block-size 4096 --train-dict'],
    ['--compression lz4 --cdc'],
    ['--compression zstd --cdc --min-chunk 2048 --avg-chunk 8192 --max-chunk 32768'],
    ['--compression lz4 --encrypt', 'correct horse'],
    ['--compression lz4 --block-size 1000 --encrypt', 'pässwörd'],
    ['--compression zstd --encrypt', ''],
    ['--compression zstd --block-size 4096 --train-dict --encrypt', 'dictionary'],
    ['--compression zstd --cdc --encrypt', 'chunks'],
  ];

  test.each(
    tools.flatMap(({ by, tool }) =>
      packings.map(([options, password]) => ({ by, tool, options, password })),
    ),
  )('packed by $by with $options', async ({ tool, options, password }) => {
    const directory = newDirectory();
    const streams = { disk: content(), memory: content() };
    const files = [...inputs(directory, streams), '--output', 'packed.hxz'];
    await tool(directory, ['pack', '--silent', ...files, ...options.split(' ')], password);
    await expectBothRead(directory, 'packed.hxz', streams, password);
  });

  test.each(tools.flatMap((maker) => tools.map((signer) => ({ maker, signer }))))(
    'packed by $maker.by and signed by $signer.by',
    async ({ maker, signer }) => {
      const directory = newDirectory();
      const streams = { disk: content(), memory: content() };
      const files = [...inputs(directory, streams), '--output', 'packed.hxz'];
      await maker.tool(directory, ['pack', '--silent', ...files]);
      await signer.tool(directory, ['keygen']);
      await signer.tool(directory, ['sign', '--key', 'private.key', 'packed.hxz']);
      for (const { tool } of tools) {
        await tool(directory, ['verify', '--key', 'public.key', 'packed.hxz']);
      }
      await expectBothRead(directory, 'packed.hxz', streams);
    },
  );

  test.each([
    { disk: Buffer.alloc(0), memory: content() },
    { disk: content() },
    { memory: content() },
    { disk: Buffer.alloc(1_000_000) },
    { disk: Buffer.from('x'), memory: Buffer.from('y') },
  ] as Partial<Streams>[])(
    'with streams that are empty, absent, zero or short',
    async (streams) => {
      for (const { tool } of tools) {
        const directory = newDirectory();
        const files = [...inputs(directory, streams), '--output', 'packed.hxz'];
        await tool(directory, ['pack', '--silent', ...files]);
        const absent = { disk: Buffer.alloc(0), memory: Buffer.alloc(0) };
        await expectBothRead(directory, 'packed.hxz', { ...absent, ...streams });
      }
    },
  );

  test.each(['', '--cdc', '--encrypt', '--block-size 5000 --compression zstd'])(
    'packed by hexz with two parents, one above the other %s',
    async (text) => {
      const directory = newDirectory();
      const options = text.split(' ').filter((word) => word !== '');
      const password = options.includes('--encrypt') ? 'child' : undefined;
      const first = { disk: content(), memory: content() };
      await theirs(directory, ['pack', ...inputs(directory, first), '-o', 'first.hxz']);
      const second = { disk: Buffer.from(first.disk), memory: first.memory };
      someBytes(9000).copy(second.disk, 100_000);
      const sharing = [...inputs(directory, second), '--parent', 'first.hxz'];
      const cut = options.filter((word) => word !== '--encrypt');
      await ours(directory, ['pack', ...sharing, ...cut, '-o', 'second.hxz']);
      await expectBothRead(directory, 'second.hxz', second);
      const third = { disk: Buffer.concat([second.disk, content()]), memory: someBytes(5000) };
      const more = [...inputs(directory, third), '--parent', 'second.hxz'];
      await ours(directory, ['pack', ...more, ...options, '-o', 'third.hxz'], password);
      await expectBothRead(directory, 'third.hxz', third, password);
    },
  );
});

describe.runIf(canRun)('a commit is the same to both', () => {
  /** Writes through an overlay of a snapshot; answers the disk that it shows then. */
  type Writer = (directory: string, base: string, overlay: string) => Promise<Buffer>;

  const CHANGES = [
    { kind: 'write', offset: 3, bytes: someBytes(10) },
    { kind: 'write', offset: 199_990, bytes: someBytes(9000) },
    { kind: 'write', offset: 380_000, bytes: Buffer.alloc(70_000) },
  ] as const;

  const byUs: Writer = (directory, base, overlay) =>
    changeDisk(join(directory, base), join(directory, overlay), CHANGES);

  const byThem: Writer = async (directory, base, overlay) => {
    const mount = await mountByReference(base, { cwd: directory, overlay });
    const disk = openSync(mount.pathOf('disk'), 'r+');
    for (const { offset, bytes } of CHANGES) writeSync(disk, bytes, 0, bytes.length, offset);
    closeSync(disk);
    const shown = mount.read('disk');
    await mount.end();
    return shown;
  };

  const combinations = tools.flatMap((packer) =>
    [byUs, byThem].flatMap((write) => tools.map((committer) => ({ packer, write, committer }))),
  );

  test.each(
    combinations.map(({ packer, write, committer }) => ({
      base: packer.by,
      overlay: write === byUs ? 'hexz' : 'the Rust hexz',
      by: committer.by,
      pack: packer.tool,
      write,
      commit: committer.tool,
    })),
  )(
    'of a base by $base and an overlay by $overlay, made by $by',
    async ({ pack, write, commit }) => {
      for (const options of [
        '',
        '--thin',
        '--compression zstd --block-size 4096',
        '--thin --block-size 8192',
      ]) {
        const directory = newDirectory();
        const streams = { disk: content(), memory: content() };
        await pack(directory, ['pack', ...inputs(directory, streams), '-o', 'base.hxz']);
        const shown = await write(directory, 'base.hxz', 'changes.overlay');
        const words = options.split(' ').filter((word) => word !== '');
        await commit(directory, ['commit', 'base.hxz', 'changes.overlay', 'out.hxz', ...words]);
        const read = openSnapshot(join(directory, 'out.hxz'));
        const { length } = readStream(read, 'disk');
        read.close();
        // The Rust hexz knows the length in whole pages only.
        expect(length - shown.length).toBeGreaterThanOrEqual(0);
        expect(length - shown.length).toBeLessThan(commit === ours ? 1 : 4096);
        const disk = Buffer.concat([shown, Buffer.alloc(length - shown.length)]);
        // It loses the memory.
        const memory = commit === ours ? streams.memory : Buffer.alloc(0);
        await expectBothRead(directory, 'out.hxz', { disk, memory });
      }
    },
  );

  test.each(tools.flatMap((lower) => tools.map((upper) => ({ lower, upper }))))(
    'by $upper.by, thin over one that is thin itself, by $lower.by',
    async ({ lower, upper }) => {
      const directory = newDirectory();
      const streams = { disk: content() };
      await theirs(directory, ['pack', ...inputs(directory, streams), '-o', 'base.hxz']);
      await changeDisk(join(directory, 'base.hxz'), join(directory, 'one.overlay'), CHANGES);
      await lower.tool(directory, ['commit', 'base.hxz', 'one.overlay', 'lower.hxz', '--thin']);
      const second = [{ kind: 'write', offset: 70_000, bytes: someBytes(5000) } as const];
      const overlay = join(directory, 'two.overlay');
      const disk = await changeDisk(join(directory, 'lower.hxz'), overlay, second);
      for (const [output, ...options] of [
        ['upper.hxz', '--thin'],
        ['flat.hxz', '--flatten'],
      ]) {
        const files = ['lower.hxz', 'two.overlay', output ?? ''];
        await upper.tool(directory, ['commit', ...files, '--keep-overlay', ...options]);
        await expectBothRead(directory, output ?? '', { disk, memory: Buffer.alloc(0) });
      }
    },
  );

  test('in odd blocks, encrypted, of an encrypted base, signed, or of a part, made by hexz', async () => {
    const directory = newDirectory();
    const streams = { disk: content(), memory: content() };
    await theirs(directory, ['pack', ...inputs(directory, streams), '-o', 'base.hxz']);
    await theirs(
      directory,
      ['pack', ...inputs(directory, streams), '-o', 'secret.hxz', '--encrypt'],
      'base',
    );
    const disk = await byThem(directory, 'base.hxz', 'changes.overlay');
    const expected = { ...streams, disk };
    const commit = (base: string, overlay: string, output: string, ...options: string[]) =>
      ours(directory, ['commit', base, overlay, output, '--keep-overlay', ...options], 'base');

    await commit('base.hxz', 'changes.overlay', 'odd.hxz', '--block-size', '5000', '--thin');
    await expectBothRead(directory, 'odd.hxz', expected);
    await commit('base.hxz', 'changes.overlay', 'new.hxz', '--encrypt', '--thin');
    await expectBothRead(directory, 'new.hxz', expected, 'base');
    await ours(directory, ['keygen']);
    await ours(directory, ['sign', '--key', 'private.key', 'odd.hxz']);
    await expectBothRead(directory, 'odd.hxz', expected);

    const paths = [join(directory, 'secret.hxz'), join(directory, 'secret.overlay')] as const;
    const changed = await changeDisk(...paths, CHANGES, 'base');
    await commit('secret.hxz', 'secret.overlay', 'plain.hxz');
    await expectBothRead(directory, 'plain.hxz', { ...streams, disk: changed });
    await commit('secret.hxz', 'secret.overlay', 'again.hxz', '--encrypt', '--compression', 'zstd');
    await expectBothRead(directory, 'again.hxz', { ...streams, disk: changed }, 'base');
  });

  test('of a part, made by hexz; the rest lies on it for both', async () => {
    const directory = newDirectory();
    const streams = { disk: content() };
    await theirs(directory, ['pack', ...inputs(directory, streams), '-o', 'base.hxz']);
    const disk = await byThem(directory, 'base.hxz', 'changes.overlay');
    writeFileSync(join(directory, 'selection'), '0\n90-95\n');
    const files = ['base.hxz', 'changes.overlay', 'out.hxz'];
    await ours(directory, ['commit', ...files, '--thin', '--select', 'selection']);
    expectSameBytes(
      await diskUnder(join(directory, 'out.hxz'), join(directory, 'changes.overlay')),
      disk,
    );
    const mount = await mountByReference('out.hxz', { cwd: directory, overlay: 'changes.overlay' });
    expectSameBytes(mount.read('disk'), disk);
    await mount.end();
    await theirs(directory, ['commit', 'out.hxz', 'changes.overlay', 'all.hxz', '--thin']);
    await expectBothRead(directory, 'all.hxz', { disk, memory: Buffer.alloc(0) });
  });
});

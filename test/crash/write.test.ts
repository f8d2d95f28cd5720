import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../support/fixtures.js';
import { interruptEverywhere } from '../support/interrupt.js';
import { someBytes } from '../support/streams.js';
import { temporaryDirectories } from '../support/temporary.js';
import { type CommitOutcome, CommitScene, expectPacked } from '../support/write/commitScene.js';

/*
 * `pack` and `commit` are interrupted before each of their file operations, one run for each. Kills at
 * random moments of larger runs, with threads: `writeKill.test.ts`.
 */

const newDirectory = temporaryDirectories();
const TEST_MILLISECONDS = 120_000;
const PAGE_BYTES = 4096;

const disk = Buffer.concat([someBytes(150_000), Buffer.alloc(100_000), someBytes(50_001)]);
const memory = someBytes(90_000);
const page = (pageIndex: number) => ({
  kind: 'write' as const,
  offset: pageIndex * PAGE_BYTES,
  bytes: someBytes(PAGE_BYTES),
});
const changes = [3, 20, 21, 70].map(page);
/** Cut and grown again, so that the side file alone knows what counts of the base. */
const cut = [
  ...[{ kind: 'truncate' as const, length: 260_000 }, page(2)],
  ...[{ kind: 'truncate' as const, length: 190_001 }, page(30)],
];

/** Names that a command has not cleared away. */
const temporaryNames = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('.hexz-'));

describe.concurrent('commit that is interrupted before any of its file operations', () => {
  let scene: CommitScene;
  let cutScene: CommitScene;
  const selected = Buffer.from(disk);
  beforeAll(async () => {
    scene = await CommitScene.make(newDirectory(), { disk, memory }, changes);
    cutScene = await CommitScene.make(newDirectory(), { disk, memory }, cut);
    for (const { offset, bytes } of changes.slice(0, 2)) bytes.copy(selected, offset);
  });

  /** Interrupts a commit everywhere; answers what was left, and how often. */
  async function outcomesOf(
    signal: 'SIGINT' | 'SIGKILL',
    options: readonly string[],
    isCut = false,
  ): Promise<Partial<Record<CommitOutcome, number>>> {
    const used = isCut ? cutScene : scene;
    const isPart = options.includes('--select');
    const outcomes: Partial<Record<CommitOutcome, number>> = {};
    let directory = '';
    const checks: (() => Promise<void>)[] = [];
    const prepare = () => {
      directory = newDirectory();
      const operands = used.copyTo(directory);
      const selection = join(directory, 'selection');
      if (isPart) writeFileSync(selection, '3\n20\n');
      return ['commit', ...operands, ...options, ...(isPart ? [selection] : [])];
    };
    const count = await interruptEverywhere(signal, prepare, (result) => {
      const left = directory;
      checks.push(async () => {
        const outcome = await used.check(left, isPart ? selected : undefined);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        if (signal === 'SIGKILL') expect(result.signal).toBe(signal);
        else {
          expect(temporaryNames(left)).toEqual([]);
          // After the end the signal comes too late.
          if (outcome === 'nothing') expect(result.signal).toBe(signal);
        }
      });
    });
    for (const check of checks) await check();
    expect(count).toBeGreaterThan(20);
    return outcomes;
  }

  test.each([
    ['thin', ['--thin'], false],
    ['thick, of a disk that was cut', [], true],
  ] as const)(
    'by SIGKILL, %s, leaves the overlay, or the new snapshot and no overlay',
    async (_name, options, isCut) => {
      const outcomes = await outcomesOf('SIGKILL', options, isCut);
      expect(Object.keys(outcomes).sort()).toEqual(['deleted', 'made', 'nothing']);
    },
    TEST_MILLISECONDS,
  );

  test(
    'by SIGKILL, of a part, leaves an overlay that shows the whole disk, on the base or on the output',
    async () => {
      const outcomes = await outcomesOf('SIGKILL', ['--thin', '--select']);
      expect(Object.keys(outcomes).sort()).toEqual(['made', 'nothing', 'rebound']);
      expect(outcomes.rebound).toBeGreaterThan(5);
    },
    TEST_MILLISECONDS,
  );

  test(
    'by SIGINT leaves nothing behind',
    async () => {
      const outcomes = await outcomesOf('SIGINT', ['--select']);
      expect(outcomes.nothing).toBeGreaterThan(2);
      expect(outcomes.rebound).toBeGreaterThan(0);
    },
    TEST_MILLISECONDS,
  );
});

describe.concurrent('pack that is interrupted before any of its file operations', () => {
  test.each([
    ['SIGKILL', false],
    ['SIGKILL', true],
    ['SIGTERM', true],
  ] as const)(
    'by %s leaves the complete file or none (replacing an old one: %s)',
    async (signal, isReplacing) => {
      let directory = '';
      const prepare = () => {
        directory = newDirectory();
        writeFileSync(join(directory, 'disk'), disk);
        if (isReplacing) writeFileSync(join(directory, 'out.hxz'), 'the old file');
        const options = isReplacing ? ['--force'] : [];
        return [
          'pack',
          '--disk',
          join(directory, 'disk'),
          '-o',
          join(directory, 'out.hxz'),
          ...options,
        ];
      };
      const outcomes = new Set<string>();
      const count = await interruptEverywhere(signal, prepare, (result) => {
        expect(sha256(readFileSync(join(directory, 'disk')))).toBe(sha256(disk));
        const outcome = packed(join(directory, 'out.hxz'));
        outcomes.add(outcome);
        if (signal !== 'SIGKILL') expect(temporaryNames(directory)).toEqual([]);
        if (signal === 'SIGKILL' || outcome !== 'made') expect(result.signal).toBe(signal);
      });
      expect(count).toBeGreaterThan(8);
      expect([...outcomes].sort()).toEqual(['made', isReplacing ? 'old' : 'nothing']);
    },
    TEST_MILLISECONDS,
  );

  function packed(path: string): 'nothing' | 'old' | 'made' {
    if (existsSync(path) && readFileSync(path).equals(Buffer.from('the old file'))) return 'old';
    return expectPacked(path, { disk, memory: Buffer.alloc(0) });
  }
});

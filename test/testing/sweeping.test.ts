import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { goldenPath, projectDirectory } from '../support/fixtures.js';
import { mounts } from '../support/mounts.js';
import { requires } from '../support/requires.js';
import { until, within } from '../support/until.js';

/** Longer than this, nothing may be left of a test run that was killed. */
const SWEEP_LIMIT_MILLISECONDS = 3000;

const hexz = mounts();
const published = pathToFileURL(join(projectDirectory, 'dist', 'testing', 'index.js')).href;
const vitest = join(projectDirectory, 'node_modules', 'vitest', 'vitest.mjs');

interface Run {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  /** Its end, all outputs closed; answers the exit status. */
  readonly ended: Promise<number | null>;
}

function start(args: readonly string[]): Run {
  const { environment, directory } = hexz.sandbox;
  // What tells vitest that it runs tests is not for another one.
  const inherited = Object.entries(process.env).filter(([name]) => !/^VITEST/.test(name));
  const child = spawn(process.execPath, args, {
    cwd: directory,
    env: { ...Object.fromEntries(inherited), ...environment, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk;
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const ended = once(child, 'close').then(([status]) => status as number | null);
  return { child, output: () => output, ended };
}

/** Runs vitest on a test file of these lines, which has a writable mount. */
function startVitest(lines: readonly string[], args: readonly string[] = []): Run {
  const { sandbox } = hexz;
  const project = sandbox.newDirectory();
  symlinkSync(join(projectDirectory, 'node_modules'), join(project, 'node_modules'));
  const text = [
    "import { writeFileSync } from 'node:fs';",
    "import { open } from 'node:fs/promises';",
    "import { expect, test } from 'vitest';",
    `import { useMount } from ${JSON.stringify(published)};`,
    `const mount = useMount(${JSON.stringify(goldenPath('a-lz4-64k-disk.hxz'))}, { rw: true });`,
    `const reached = () => writeFileSync(${JSON.stringify(sandbox.path('reached'))}, mount.mountpoint);`,
    ...lines,
  ];
  writeFileSync(join(project, 'one.test.js'), text.join('\n'));
  return start([vitest, 'run', '--root', project, '--reporter=default', ...args]);
}

/** Of the runner itself there may be something. */
const expectNothingOfHexz = (): void => {
  const { sandbox } = hexz;
  expect(sandbox.mountpoints()).toEqual([]);
  expect(sandbox.temporaryFiles().filter((name) => name.includes('hexz'))).toEqual([]);
};

const nothingRuns = (): boolean =>
  hexz.sandbox.processes().length === 0 && hexz.sandbox.mountpoints().length === 0;

describe.runIf(requires('FUSE'))('nothing is left of a mount', () => {
  test('whose test fails', async () => {
    const run = startVitest(["test('a', () => { reached(); expect(mount.disk).toBe(''); });"]);
    expect(await within('the end', run.ended)).toBe(1);
    expect(run.output()).toMatch(/1 failed/);
    expect(existsSync(hexz.sandbox.path('reached'))).toBe(true);
    hexz.expectNothingLeft();
  });

  test('whose test runs out of time, with the disk open', async () => {
    const run = startVitest([
      "test('a', async () => {",
      "  globalThis.file = await open(mount.disk, 'r+'); reached();",
      '  await new Promise(() => {});',
      '}, 300);',
    ]);
    expect(await within('the end', run.ended)).toBe(1);
    expect(run.output()).toMatch(/timed out in 300ms/);
    expect(existsSync(hexz.sandbox.path('reached'))).toBe(true);
    hexz.expectNothingLeft();
  });

  test('whose test ends the process', async () => {
    const run = startVitest([
      "test('a', () => { reached(); process.kill(process.pid, 'SIGKILL'); });",
    ]);
    expect(await within('the end', run.ended)).not.toBe(0);
    expect(existsSync(hexz.sandbox.path('reached'))).toBe(true);
    await until('the end of the engine', nothingRuns, SWEEP_LIMIT_MILLISECONDS);
    hexz.expectNothingLeft();
  });

  test.each(['forks', 'threads'])('when the runner is killed, with %s', async (pool) => {
    const lines = [
      "test('a', async () => {",
      "  const file = await open(mount.disk, 'r+');",
      '  await file.write(Buffer.alloc(9000, 1), 0, 9000, 100); reached();',
      '  await new Promise(() => {});',
      '}, 0);',
    ];
    const run = startVitest(lines, [`--pool=${pool}`]);
    await until('a mount', () => existsSync(hexz.sandbox.path('reached')));
    expect(hexz.sandbox.mountpoints()).toHaveLength(1);
    run.child.kill('SIGKILL');
    await until('the end of the engine', nothingRuns, SWEEP_LIMIT_MILLISECONDS);
    expectNothingOfHexz();
    await run.ended;
  });

  test('of a program without vitest', async () => {
    const program = hexz.sandbox.path('program.mjs');
    const text = [
      `import { mountFixture, useMount } from ${JSON.stringify(published)};`,
      `const snapshot = ${JSON.stringify(goldenPath('a-lz4-64k-disk.hxz'))};`,
      'try { useMount(snapshot); } catch ({ message, hint }) { console.log(message, hint); }',
      'const mount = await mountFixture(snapshot, { rw: true });',
      "console.log('mounted', mount.mountpoint);",
      "if (process.argv[2] === 'ends') await mount.end(); else process.exit(4);",
    ];
    writeFileSync(program, text.join('\n'));
    const tidy = start([program, 'ends']);
    expect(await within('the end', tidy.ended)).toBe(0);
    expect(tidy.output()).toMatch(/^useMount wants vitest .*mountFixture.*\nmounted \//);
    hexz.expectNothingLeft();
    const hasty = start([program]);
    expect(await within('the end', hasty.ended)).toBe(4);
    expect(hasty.output()).toMatch(/\nmounted \//);
    await until('the end of the engine', nothingRuns, SWEEP_LIMIT_MILLISECONDS);
    hexz.expectNothingLeft();
  });
});

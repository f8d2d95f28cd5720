import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cliPath } from '../support/cli.js';
import { projectDirectory } from '../support/fixtures.js';
import { ownRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';
import { temporaryDirectories } from '../support/temporary.js';
import { fsxRounds } from './rounds.js';

const newDirectory = temporaryDirectories();
ownRegistry();

const MILLISECONDS = 6000;
const ROUND_MILLISECONDS = 1200;
const TEST_MILLISECONDS = 120_000;
const loader = join(projectDirectory, 'test', 'support', 'typescript.mjs');

const seed = Math.floor(Math.random() * 2 ** 31);

test.runIf(requires('FUSE'))(
  `a disk holds whatever several processes do to it at the same time (seed ${seed})`,
  async ({ signal }) => {
    const { rounds, operations } = await fsxRounds({
      milliseconds: MILLISECONDS,
      roundMilliseconds: ROUND_MILLISECONDS,
      seed,
      directory: newDirectory(),
      hexz: { path: cliPath },
      user: {
        path: join(projectDirectory, 'test', 'fsx', 'diskUser.ts'),
        options: ['--import', loader],
      },
      signal,
    });
    expect(rounds).toBeGreaterThan(0);
    expect(operations).toBeGreaterThan(100);
  },
  TEST_MILLISECONDS,
);

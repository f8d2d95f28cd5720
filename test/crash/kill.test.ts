import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cliPath } from '../support/cli.js';
import { projectDirectory } from '../support/fixtures.js';
import { ownRegistry } from '../support/registry.js';
import { requires } from '../support/requires.js';
import { temporaryDirectories } from '../support/temporary.js';
import { crashRounds } from './rounds.js';

const newDirectory = temporaryDirectories();
ownRegistry();

const ROUNDS = 60;
const TEST_MILLISECONDS = 240_000;
const loader = join(projectDirectory, 'test', 'support', 'typescript.mjs');

// Timing makes every run another one; the seed is there to find out what the operations were.
const seed = Math.floor(Math.random() * 2 ** 31);

test.runIf(requires('FUSE'))(
  `an engine that is killed loses nothing that it answered (seed ${seed})`,
  async ({ signal }) => {
    const { rounds, answered } = await crashRounds({
      rounds: ROUNDS,
      seed,
      directory: newDirectory(),
      hexz: { path: cliPath },
      writer: {
        path: join(projectDirectory, 'test', 'crash', 'writer.ts'),
        options: ['--import', loader],
      },
      signal,
    });
    expect(rounds).toBe(ROUNDS);
    expect(answered).toBeGreaterThan(ROUNDS);
  },
  TEST_MILLISECONDS,
);

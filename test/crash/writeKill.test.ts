import { expect, test } from 'vitest';
import { cliPath } from '../support/cli.js';
import { temporaryDirectories } from '../support/temporary.js';
import { writeRounds } from './writeRounds.js';

const newDirectory = temporaryDirectories();

const ROUNDS = 40;
const TEST_MILLISECONDS = 240_000;

// Timing makes every run another one.
const seed = Math.floor(Math.random() * 2 ** 31);

test(
  `pack and commit that are killed leave a complete snapshot or none, and lose nothing (seed ${seed})`,
  async ({ signal }) => {
    const { finished, ...killed } = await writeRounds({
      rounds: ROUNDS,
      seed,
      directory: newDirectory(),
      hexz: { path: cliPath },
      signal,
    });
    const kills = Object.values(killed).reduce((sum, count) => sum + count, 0);
    expect(kills + finished).toBe(ROUNDS);
    // How many come in time depends on the machine's other work.
    expect(kills).toBeGreaterThan(ROUNDS / 3);
  },
  TEST_MILLISECONDS,
);

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where recipes are built for all tests of a run. */
    readonly recipeDirectory: string;
  }
}

/** Before all tests; what it answers runs behind them. */
export default function setup(project: TestProject): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'hexz-test-recipes-'));
  project.provide('recipeDirectory', directory);
  return () => rmSync(directory, { recursive: true, force: true });
}

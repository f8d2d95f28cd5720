import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { buildFixtures, type Fixture } from '../../src/engine/write/recipe/fixtures.js';
import { HexzError, openSnapshot, type StreamName } from '../../src/index.js';
import { readStream } from './streams.js';

/** Writes files of these contents below a directory; what is no text becomes YAML. */
export function writeFiles(directory: string, files: Readonly<Record<string, unknown>>): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : stringify(content));
  }
  return directory;
}

/** Builds the recipe `r.yaml` of a directory into its directory `out`. */
export async function buildRecipe(directory: string): Promise<readonly Fixture[]> {
  const out = join(directory, 'out');
  mkdirSync(out, { recursive: true });
  return buildFixtures({
    recipes: [join(directory, 'r.yaml')],
    directory: out,
    purpose: 'build',
    force: true,
  });
}

/** The code, the place as LINE:COLUMN where it is known, and the message of what a build throws. */
export async function buildErrorOf(directory: string): Promise<string> {
  try {
    await buildRecipe(directory);
  } catch (error) {
    if (!(error instanceof HexzError)) throw error;
    const { code, location, message } = error;
    const place = location.line === undefined ? '' : ` ${location.line}:${location.column}`;
    return `${code}${place} ${message}`;
  }
  throw new Error('the recipe was built');
}

/** A stream of a snapshot in the directory `out`. */
export function builtStream(
  directory: string,
  stream: StreamName,
  name = 'r.hxz',
  passwords: readonly string[] = [],
): Buffer {
  const snapshot = openSnapshot(join(directory, 'out', name), { passwords });
  try {
    return readStream(snapshot, stream);
  } finally {
    snapshot.close();
  }
}

/** A file in the directory `out`. */
export const builtFile = (directory: string, name: string): Buffer =>
  readFileSync(join(directory, 'out', name));

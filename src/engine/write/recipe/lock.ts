import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { HexzError } from '../../errors.js';
import { openOutput } from '../outputFile.js';
import { type FileSum, readTextFile } from './inputs.js';

/** Which programs had a part in what a recipe makes: others may make other bytes. */
export interface Tools {
  /** Name and version of the compressor. */
  readonly encoder: string;
  /** Version; undefined where neither the recipe nor a parent has an ext4. */
  readonly e2fsprogs?: string | undefined;
}

/** What a recipe makes, as its lock file has it. */
export interface Lock {
  readonly tools: Tools;
  /** By the path in the recipe: what it reads that it does not make. */
  readonly inputs: Readonly<Record<string, FileSum>>;
  /** By name. */
  readonly files: Readonly<Record<string, FileSum>>;
}

const VERSION = 1;
const MAX_LOCK_BYTES = 16 * 1024 * 1024;

const sums = z.record(
  z.string(),
  z.strictObject({
    bytes: z.number().int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
);

const lockSchema = z.strictObject({
  version: z.literal(VERSION),
  tools: z.strictObject({ encoder: z.string(), e2fsprogs: z.string().optional() }),
  inputs: sums,
  files: sums,
});

/** `a/demo.yaml` is locked by `a/demo.lock.json`. */
export const lockPathOf = (recipePath: string): string =>
  join(dirname(recipePath), `${basename(recipePath).replace(/\.ya?ml$/i, '')}.lock.json`);

/**
 * Reads a lock file.
 *
 * @returns undefined where there is none
 * @throws HexzError UNREADABLE, LIMIT, RECIPE_INVALID
 */
export function readLock(path: string): Lock | undefined {
  if (!existsSync(path)) return undefined;
  const { data, error } = lockSchema.safeParse(asJson(readTextFile(path, MAX_LOCK_BYTES)));
  if (error === undefined) return data;
  const field = error.issues[0]?.path.join('.') ?? '';
  throw new HexzError('RECIPE_INVALID', `is no lock file of this hexz${field && ` (${field})`}`, {
    location: { file: path },
    hint: 'fixture build --update makes a new one',
  });
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Puts a lock file in place of the last one, if it says something else.
 *
 * @returns whether it does
 * @throws HexzError OUTPUT_FAILED
 */
export function writeLock(path: string, { tools, inputs, files }: Lock): boolean {
  const document = { version: VERSION, tools, inputs: sorted(inputs), files: sorted(files) };
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  if (existsSync(path) && readTextFile(path, MAX_LOCK_BYTES) === text) return false;
  const output = openOutput(path, { force: true, mode: 0o666 });
  output.write(Buffer.from(text));
  output.finish();
  return true;
}

const sorted = (sums: Readonly<Record<string, FileSum>>): Record<string, FileSum> =>
  Object.fromEntries(Object.entries(sums).sort(([a], [b]) => (a < b ? -1 : 1)));

/** How what was made stands to what a lock says. */
export interface Comparison {
  readonly state: 'same' | 'mismatch' | 'tool-differs';
  /** What differs, one sentence each. */
  readonly differences: readonly string[];
}

/** Compares what was made with what was made once. With other tools, other bytes say nothing. */
export function compareLocks(made: Lock, locked: Lock): Comparison {
  const inputs = differencesOf('input ', made.inputs, locked.inputs);
  const files = differencesOf('', made.files, locked.files);
  if (inputs.length > 0) return { state: 'mismatch', differences: [...inputs, ...files] };
  if (files.length === 0) return { state: 'same', differences: [] };
  const tools = toolDifferences(made.tools, locked.tools);
  if (tools.length === 0) return { state: 'mismatch', differences: files };
  return { state: 'tool-differs', differences: [...tools, ...files] };
}

function differencesOf(
  what: string,
  made: Readonly<Record<string, FileSum>>,
  locked: Readonly<Record<string, FileSum>>,
): readonly string[] {
  const names = new Set([...Object.keys(locked), ...Object.keys(made)]);
  return [...names].flatMap((name) => {
    const [is, was] = [made[name], locked[name]];
    if (is === undefined) return [`${what}${name} is locked, and the recipe has none`];
    if (was === undefined) return [`${what}${name} is not locked`];
    if (is.sha256 === was.sha256 && is.bytes === was.bytes) return [];
    return [`${what}${name} should be ${describe(was)}, and is ${describe(is)}`];
  });
}

const describe = ({ bytes, sha256 }: FileSum): string => `SHA-256 ${sha256} (${bytes} bytes)`;

function toolDifferences(made: Tools, locked: Tools): readonly string[] {
  const differences: string[] = [];
  const compare = (was: string | undefined, is: string | undefined) => {
    if (was === is || was === undefined || is === undefined) return;
    differences.push(`made with ${was}, here is ${is}: cannot be compared`);
  };
  compare(withName(locked.e2fsprogs), withName(made.e2fsprogs));
  compare(locked.encoder, made.encoder);
  return differences;
}

const withName = (version: string | undefined): string | undefined =>
  version === undefined ? undefined : `e2fsprogs ${version}`;

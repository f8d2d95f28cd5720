import { InvalidArgumentError, Option } from 'commander';
import { byteSizeOf } from '../engine/byteSize.js';
import { streamNames } from '../engine/format/types.js';
import { MAX_ID } from '../engine/process/settings.js';

/** A number of bytes as users write it: 4096, 0x1000, 64k, 1.5G, 256MB, 2MiB (factor 1024, any case). */
export function parseBytes(text: string): number {
  const value = byteSizeOf(text);
  if (value === undefined) {
    throw new InvalidArgumentError('Give a number of bytes such as 4096, 0x1000, 64k or 1.5G.');
  }
  return value;
}

/** The number of a user or group. */
export function parseId(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= MAX_ID)) throw new InvalidArgumentError(`Give a number from 0 to ${MAX_ID}.`);
  return value;
}

/** `--stream`, with the names that the format itself uses. */
export const streamOption = (): Option =>
  new Option('--stream <name>', 'which stream').choices([...streamNames]).makeOptionMandatory();

/** Collects an option that may be given several times. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** Options of every command that reads a snapshot. */
export interface ReadOptions {
  readonly cacheSize?: number;
  readonly passwordFile?: readonly string[];
  readonly parentDir?: readonly string[];
  readonly json?: boolean;
}

/** Options of every command that looks at the machine instead. */
export interface MachineOptions {
  readonly json?: boolean;
}

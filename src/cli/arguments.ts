import { InvalidArgumentError, Option } from 'commander';
import { streamNames } from '../engine/format/types.js';
import { MAX_ID } from '../engine/process/settings.js';

const UNITS: Readonly<Record<string, number>> = {
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** A number of bytes as users write it: 4096, 0x1000, 64k, 1.5G, 256MB, 2MiB (factor 1024, any case). */
export function parseBytes(text: string): number {
  const hex = /^0x[0-9a-f]+$/i.test(text);
  const whole = /^(\d+)b?$/i.exec(text);
  const scaled = /^(\d+(?:\.\d+)?|\.\d+)([kmgt])(?:i?b)?$/i.exec(text);
  const unit = UNITS[(scaled?.[2] ?? '').toLowerCase()] ?? Number.NaN;
  const value = hex ? Number(text) : Number(whole?.[1] ?? Math.floor(Number(scaled?.[1]) * unit));
  if (!Number.isSafeInteger(value)) {
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

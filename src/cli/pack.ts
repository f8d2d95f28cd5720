import { HexzError } from '../engine/errors.js';
import type { Compression } from '../engine/format/types.js';
import { DEFAULT_CHUNK_SIZES } from '../engine/write/chunking.js';
import { SALT_BYTES } from '../engine/write/newSnapshot.js';
import { pack as makeSnapshot } from '../engine/write/pack.js';
import { sizeText } from '../repl/rendering/snapshots.js';
import type { ReadOptions } from './arguments.js';
import { printable, section } from './output.js';
import { newPassword, openWithPasswords } from './password.js';
import { SignalGuard } from './signalGuard.js';
import { allBlocksText, WriteReporter } from './writeReport.js';

export interface PackCommandOptions extends ReadOptions {
  readonly disk?: string;
  readonly memory?: string;
  readonly output: string;
  readonly compression: Compression;
  readonly blockSize: number;
  readonly cdc?: boolean;
  readonly minChunk?: number;
  readonly avgChunk?: number;
  readonly maxChunk?: number;
  readonly trainDict?: boolean;
  readonly encrypt?: boolean;
  readonly salt?: string;
  readonly parent?: string;
  readonly message?: string;
  readonly force?: boolean;
  readonly silent?: boolean;
  readonly verifyAll?: boolean;
}

/** `hexz pack [--disk F] [--memory F] -o OUT [...]` */
export async function pack(options: PackCommandOptions): Promise<void> {
  const reporter = new WriteReporter('pack', options);
  const chunking = chunkSizesOf(options);
  const salt = saltOf(options);
  if (options.passwordFile !== undefined && !options.encrypt && options.parent === undefined) {
    throw new HexzError(
      'USAGE',
      '--password-file goes with --encrypt, or with an encrypted --parent',
    );
  }
  const parent = await parentOf(options);
  const encryption =
    options.encrypt === true
      ? { password: await newPassword(options, 'the new snapshot'), salt }
      : undefined;
  const report = await SignalGuard.run((guard) =>
    makeSnapshot({
      disk: options.disk,
      memory: options.memory,
      output: options.output,
      force: options.force === true,
      compression: options.compression,
      blockBytes: options.blockSize,
      chunking,
      trainsDictionary: options.trainDict === true,
      encryption,
      parent,
      message: options.message,
      verifiesAll: options.verifyAll === true,
      signal: guard.abortSignal(),
      onProgress: (progress) => reporter.update(progress),
    }),
  ).finally(() => reporter.clear());
  reporter.end(report, () =>
    section(`Packed ${printable(report.output)}`, [
      ['Size', sizeText(report)],
      ['Blocks', allBlocksText(report)],
      ['Encoder', report.encoder],
      ['Checked', checkedText(options)],
      ['Time', `${report.seconds.toFixed(2)} s`],
    ]),
  );
}

const checkedText = ({ verifyAll }: PackCommandOptions): string =>
  verifyAll === true
    ? 'every block was read back and decoded'
    : 'every block was read back, one in sixteen decoded';

function chunkSizesOf({ cdc, minChunk, avgChunk, maxChunk }: PackCommandOptions) {
  const isGiven = minChunk !== undefined || avgChunk !== undefined || maxChunk !== undefined;
  if (cdc !== true) {
    if (!isGiven) return undefined;
    throw new HexzError('USAGE', '--min-chunk, --avg-chunk and --max-chunk go with --cdc');
  }
  return {
    minimumBytes: minChunk ?? DEFAULT_CHUNK_SIZES.minimumBytes,
    averageBytes: avgChunk ?? DEFAULT_CHUNK_SIZES.averageBytes,
    maximumBytes: maxChunk ?? DEFAULT_CHUNK_SIZES.maximumBytes,
  };
}

function saltOf({ salt, encrypt }: PackCommandOptions): Buffer | undefined {
  if (salt === undefined) return undefined;
  if (encrypt !== true) throw new HexzError('USAGE', '--salt goes with --encrypt');
  if (!/^[0-9a-f]+$/i.test(salt) || salt.length !== SALT_BYTES * 2) {
    throw new HexzError('USAGE', `--salt takes ${SALT_BYTES * 2} hexadecimal digits`);
  }
  return Buffer.from(salt, 'hex');
}

async function parentOf(options: PackCommandOptions) {
  const { parent: path, parentDir: parentDirectories = [] } = options;
  if (path === undefined) return undefined;
  const { snapshot, passwords } = await openWithPasswords(path, options);
  snapshot.close();
  return { path, passwords, parentDirectories };
}

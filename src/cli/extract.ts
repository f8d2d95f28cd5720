import { HexzError } from '../engine/errors.js';
import type { StreamName } from '../engine/format/types.js';
import { extractStream } from '../engine/snapshot/extract.js';
import type { Snapshot } from '../engine/snapshot/snapshot.js';
import { identityOfFile } from '../engine/snapshot/source.js';
import {
  descriptorOutput,
  isFileOutput,
  type Output,
  openOutput,
} from '../engine/write/outputFile.js';
import type { ReadOptions } from './arguments.js';
import { formatBytes, printJson, STANDARD_OUTPUT } from './output.js';
import { openForCommand } from './password.js';
import { drive, ProgressBar } from './progress.js';
import { SignalGuard } from './signalGuard.js';

export interface ExtractOptions extends ReadOptions {
  readonly stream: StreamName;
  readonly output?: string;
  readonly offset?: number;
  readonly length?: number;
  readonly force?: boolean;
}

/** `hexz extract SNAP --stream S [-o FILE|-] [--offset N] [--length N] [--force]` */
export async function extract(path: string, options: ExtractOptions): Promise<void> {
  const { stream, output: outputPath = '-' } = options;
  if (outputPath === '-' && options.json === true) {
    throw new HexzError('USAGE', '--json needs -o FILE: standard output carries the bytes');
  }
  if (options.output === undefined && process.stdout.isTTY === true) {
    throw new HexzError('USAGE', 'standard output is a terminal', {
      hint: 'give -o FILE, send the bytes into a pipe, or force them here with -o -',
    });
  }
  const snapshot = await openForCommand(path, options);
  try {
    const range = rangeOf(snapshot, options);
    await SignalGuard.run(
      async (guard) => {
        const output = guard.watch(() => open(outputPath, snapshot, options.force === true));
        const progress = new ProgressBar(`extract ${stream}`, range.length);
        const steps = extractStream(snapshot, stream, range, output);
        try {
          await drive(steps, (doneBytes) => progress.update(doneBytes));
        } finally {
          progress.clear();
        }
        output.finish();
      },
      { isNeeded: outputPath !== '-' && isFileOutput(outputPath) },
    );
    if (options.json === true) printJson({ path, stream, ...range, output: outputPath });
  } finally {
    snapshot.close();
  }
}

function open(path: string, snapshot: Snapshot, force: boolean): Output {
  if (path === '-') return descriptorOutput(STANDARD_OUTPUT, 1);
  const identity = identityOfFile(path);
  const isEvidence = snapshot.chain().some(({ index }) => index.source.identity === identity);
  if (force && isEvidence) {
    throw new HexzError('USAGE', 'the output is the snapshot itself or one of its parents', {
      location: { file: path },
    });
  }
  // What was encrypted becomes readable here: for its owner only.
  return openOutput(path, { force, mode: snapshot.isChainEncrypted ? 0o600 : 0o666 });
}

function rangeOf(snapshot: Snapshot, { stream, offset = 0, length }: ExtractOptions) {
  if (!snapshot.hasStream(stream)) {
    const other = stream === 'disk' ? 'memory' : 'disk';
    throw new HexzError('NO_STREAM', `the snapshot has no ${stream} stream`, {
      location: { file: snapshot.path },
      ...(snapshot.hasStream(other) ? { hint: `it has a ${other} stream` } : {}),
    });
  }
  const streamLength = snapshot.streamLength(stream);
  if (offset > streamLength) {
    throw new HexzError('USAGE', `--offset ${offset} lies behind the end of the ${stream} stream`, {
      hint: `it has ${streamLength} bytes`,
    });
  }
  const available = streamLength - offset;
  if (length !== undefined && length > available) {
    note(`the ${stream} stream ends after ${formatBytes(available)} of what was asked for`);
  }
  return { offset, length: Math.min(length ?? available, available) };
}

/** Worth knowing, but no error. */
const note = (text: string): boolean => process.stderr.write(`hexz: note: ${text}\n`);

import { HexzError } from '../engine/errors.js';
import type { StreamName } from '../engine/format/types.js';
import { extractStream } from '../engine/snapshot/extract.js';
import type { Snapshot } from '../engine/snapshot/snapshot.js';
import { descriptorOutput, type Output, openOutput } from '../engine/write/outputFile.js';
import type { ReadOptions } from './arguments.js';
import { printJson } from './output.js';
import { openForCommand } from './password.js';
import { drive, ProgressBar } from './progress.js';

export interface ExtractOptions extends ReadOptions {
  readonly stream: StreamName;
  readonly output?: string;
  readonly offset?: number;
  readonly length?: number;
  readonly force?: boolean;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
    const output =
      outputPath === '-'
        ? descriptorOutput('standard output', 1)
        : openOutput(outputPath, {
            force: options.force === true,
            // What was encrypted becomes readable here: for its owner only.
            mode: isEncrypted(snapshot) ? 0o600 : 0o666,
          });
    const restore = discardOnSignal(output);
    try {
      const progress = new ProgressBar(`extract ${stream}`, range.length);
      const steps = extractStream(snapshot, stream, range, output);
      try {
        await drive(steps, (doneBytes) => progress.update(doneBytes));
      } finally {
        progress.clear();
      }
    } catch (error) {
      output.discard();
      throw error;
    } finally {
      restore();
    }
    output.finish();
    if (options.json === true) printJson({ path, stream, ...range, output: outputPath });
  } finally {
    snapshot.close();
  }
}

const isEncrypted = (snapshot: Snapshot): boolean =>
  snapshot.chain().some(({ header }) => header.encryption !== undefined);

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
  return { offset, length: Math.min(length ?? streamLength, streamLength - offset) };
}

/** Until `restore` is called, a signal removes the unfinished output before it ends the process. */
function discardOnSignal(output: Output): () => void {
  const onSignal = (signal: NodeJS.Signals) => {
    restore();
    output.discard();
    process.kill(process.pid, signal);
  };
  const restore = () => {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return restore;
}

import { classifyPages } from '../src/forensics/pages/classify.js';
import { parsePattern } from '../src/forensics/search/pattern.js';
import { search as searchSource } from '../src/forensics/search/search.js';
import { type StreamSource, streamSource } from '../src/forensics/streamSource.js';
import { findStrings } from '../src/forensics/strings.js';
import { openSnapshot, type Snapshot } from '../src/index.js';
import { fileSystemSnapshot } from './inputs.js';
import { median, printTable } from './measure.js';

const ROUNDS = 3;
const READ_BYTES = 1024 * 1024;

const patterns: Readonly<Record<string, string>> = {
  'rare text': 'no text that anybody has on a disk',
  'common text': 'error',
  'common byte': 'x:8b',
  'hex, open bytes': 'x:48 8d 3d ?? ?? ?? ?? e8',
  'hex, open half bytes': 'x:de?? beef ?3',
  'UTF-16, both orders': 'u:Microsoft',
  'text, any case': 'i:microsoft',
  expression: 'r:https?://[a-z0-9.]+\\.example',
  'expression, open': 'r/begin.*end of it/s',
};

/** Searching, listing strings of and classifying a whole disk, beside only decoding it, in turns. */
export function search(): void {
  const snapshot = openSnapshot(fileSystemSnapshot('lz4'));
  const streamLength = snapshot.streamLength('disk');
  const contenders: Record<string, () => number> = { 'bare decode': () => readAll(snapshot) };
  for (const [name, text] of Object.entries(patterns)) {
    contenders[name] = () => countMatches(snapshot, text);
  }
  contenders.strings = () => countSteps(snapshot, 'string', findStrings);
  contenders['page classes'] = () => countSteps(snapshot, 'run', classifyPages);
  const seconds = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  const found = new Map<string, number>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, action] of Object.entries(contenders)) {
      const start = performance.now();
      found.set(name, action());
      if (round > 0) seconds.get(name)?.push((performance.now() - start) / 1000);
    }
  }
  snapshot.close();
  const bare = median(seconds.get('bare decode') ?? []);
  process.stdout.write(`search: a disk of ${streamLength / 2 ** 20} MiB, lz4\n`);
  printTable([
    ['', 'MB/s, logical', 'of bare decode (wanted for bytes: 0.5)', 'found', 'pattern'],
    ...[...seconds].map(([name, times]) => [
      name,
      (streamLength / median(times) / 1e6).toFixed(0),
      (bare / median(times)).toFixed(2),
      String(found.get(name)),
      patterns[name] ?? '',
    ]),
  ]);
}

function readAll(snapshot: Snapshot): number {
  const target = Buffer.allocUnsafeSlow(READ_BYTES);
  const streamLength = snapshot.streamLength('disk');
  for (let offset = 0; offset < streamLength; offset += READ_BYTES) {
    snapshot.readInto('disk', offset, target);
  }
  return 0;
}

const countMatches = (snapshot: Snapshot, text: string): number =>
  countSteps(snapshot, 'match', (source, options) =>
    searchSource(source, parsePattern(text), options),
  );

function countSteps(
  snapshot: Snapshot,
  wanted: string,
  look: (
    source: StreamSource,
    options: { readonly zeroRunAt: StreamSource['zeroRunAt'] },
  ) => Generator<{ readonly kind: string }, void>,
): number {
  const source = streamSource(snapshot, 'disk');
  let count = 0;
  for (const { kind } of look(source, { zeroRunAt: source.zeroRunAt })) {
    if (kind === wanted) count++;
  }
  return count;
}

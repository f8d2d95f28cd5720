import { HexzError } from '../engine/errors.js';
import { streamNames } from '../engine/format/types.js';
import { checkSignature } from '../engine/snapshot/signature.js';
import type { Snapshot } from '../engine/snapshot/snapshot.js';
import { type FileTally, type Finding, verifyChain } from '../engine/snapshot/verify.js';
import { readKeyFile } from '../engine/write/keys.js';
import type { ReadOptions } from './arguments.js';
import { formatBytes, formatCount, printable, toJsonText } from './output.js';
import { openForCommand } from './password.js';
import { drive, ProgressBar } from './progress.js';

const EXIT_DAMAGED = 4;
const EXIT_WRONG_PASSWORD = 5;

/** What is said with every good signature, because less is signed than people think. */
const SIGNATURE_SCOPE =
  'the signature covers the master index and the metadata; header, index pages and blocks were checked ' +
  'against the checksums and hashes in the index pages, which nothing signs';

/** `hexz verify SNAP [--key PUB] [--json]`; answers with the exit status. */
export async function verify(
  path: string,
  options: ReadOptions & { readonly key?: string },
): Promise<number> {
  const publicKey = options.key === undefined ? undefined : readKeyFile(options.key);
  const snapshot = await openForCommand(path, options);
  try {
    const signature = publicKey === undefined ? undefined : signatureProblem(snapshot, publicKey);
    const report = options.json === true ? new JsonReport(path) : new TextReport();
    const total = totalBytes(snapshot);
    const progress = new ProgressBar('verify', total);
    let doneBytes = 0;
    let current: FileTally | undefined;
    let hasDamage = false;
    const tallies = await drive(verifyChain(snapshot), ({ tally, finding }) => {
      if (tally !== current) doneBytes += current?.checkedBytes ?? 0;
      current = tally;
      if (finding !== undefined) {
        hasDamage ||= finding.error.code !== 'AUTH';
        progress.clear();
        report.finding(finding);
      }
      progress.update(doneBytes + tally.checkedBytes);
    });
    progress.clear();
    report.end(tallies, publicKey === undefined ? 'not checked' : (signature ?? 'good'));
    const bad = tallies.filter((tally) => tally.badBlocks > 0);
    // Where a password opens no block at all it is the wrong one; where it opens some, the rest is damaged.
    if (hasDamage || bad.some((tally) => tally.badBlocks < tally.dataBlocks)) return EXIT_DAMAGED;
    if (bad.length > 0) return EXIT_WRONG_PASSWORD;
    return signature?.exitStatus ?? 0;
  } finally {
    snapshot.close();
  }
}

function signatureProblem(snapshot: Snapshot, publicKey: Buffer): HexzError | undefined {
  try {
    checkSignature(snapshot.index, publicKey);
    return undefined;
  } catch (error) {
    if (error instanceof HexzError && error.exitStatus === 1) return error;
    throw error;
  }
}

function totalBytes(snapshot: Snapshot): number {
  let total = 0;
  for (const file of snapshot.chain()) {
    for (const stream of streamNames) total += file.streamLength(stream);
  }
  return total;
}

type SignatureResult = HexzError | 'good' | 'not checked';

/** Findings as they come, then a summary for every file. */
class TextReport {
  finding({ error }: Finding): void {
    process.stdout.write(`bad: ${error.code}: ${printable(error.toLine())}\n`);
  }

  end(tallies: readonly FileTally[], signature: SignatureResult): void {
    const lines = tallies.map((tally) => `${printable(tally.path)}: ${this.#summary(tally)}`);
    if (tallies.length > 1) {
      const isOk = tallies.every((tally) => tally.badBlocks === 0);
      lines.push(isOk ? 'all files of the chain: ok' : 'the chain is DAMAGED: see the files above');
    }
    if (signature === 'good') lines.push(`signature: good; ${SIGNATURE_SCOPE}`);
    else if (signature instanceof HexzError) lines.push(`signature: ${signature.message}`);
    process.stdout.write(`${lines.join('\n')}\n`);
  }

  #summary(tally: FileTally): string {
    const kinds = [
      [tally.dataBlocks, 'data'],
      [tally.zeroBlocks, 'zero'],
      [tally.parentBlocks, 'from parents'],
    ] as const;
    const blocks = kinds.filter(([count]) => count > 0);
    const counted = blocks.map(([count, name]) => `${formatCount(count)} ${name}`).join(', ');
    const verdict =
      tally.badBlocks === 0
        ? 'ok'
        : `DAMAGED, ${formatCount(tally.badBlocks)} bad ${tally.badBlocks === 1 ? 'block' : 'blocks'}`;
    const parts = [
      verdict,
      `${formatBytes(tally.checkedBytes)} in blocks: ${counted === '' ? 'none' : counted}`,
      `${formatCount(tally.hashedBlocks)} compared with BLAKE3`,
    ];
    if (tally.uncoveredBytes > 0)
      parts.push(`${formatBytes(tally.uncoveredBytes)} behind the last`);
    return parts.join('; ');
  }
}

/** One document, written as the findings come, so that any number of them takes no memory. */
class JsonReport {
  #findings = 0;

  constructor(path: string) {
    process.stdout.write(`{\n  "path": ${toJsonText(path)},\n  "badBlocks": [`);
  }

  finding({ error, length }: Finding): void {
    const item = toJsonText({ ...error.toJSON(), length });
    process.stdout.write(`${this.#findings++ === 0 ? '' : ','}\n    ${item}`);
  }

  end(tallies: readonly FileTally[], signature: SignatureResult): void {
    const files = tallies.map((tally) => ({
      path: tally.path,
      ok: tally.badBlocks === 0,
      dataBlocks: tally.dataBlocks,
      zeroBlocks: tally.zeroBlocks,
      parentBlocks: tally.parentBlocks,
      hashedBlocks: tally.hashedBlocks,
      checkedBytes: tally.checkedBytes,
      uncoveredBytes: tally.uncoveredBytes,
      badBlocks: tally.badBlocks,
    }));
    const rest = {
      ok: files.every(({ ok }) => ok) && !(signature instanceof HexzError),
      files,
      signature:
        signature instanceof HexzError
          ? { result: 'bad', error: signature }
          : { result: signature, ...(signature === 'good' ? { scope: SIGNATURE_SCOPE } : {}) },
    };
    const members = toJsonText(rest, 2).slice(2);
    process.stdout.write(`${this.#findings === 0 ? '' : '\n  '}],\n${members}\n`);
  }
}

import { resolve } from 'node:path';
import { ControlClient } from '../engine/control/client.js';
import { HexzError } from '../engine/errors.js';
import { findEngine } from '../engine/process/start.js';
import { type CommitCommandOptions, textOf } from './commit.js';
import { newPassword } from './password.js';
import { SignalGuard } from './signalGuard.js';
import { WriteReporter } from './writeReport.js';

/** Options of `hexz commit` that say what is to become of an overlay which nobody uses. */
const OFFLINE = {
  select: '--select',
  memory: '--memory',
  flatten: '--flatten',
  parentDir: '--parent-dir',
} as const;

/** `hexz commit --live MOUNTPOINT OUTPUT [...]`: the engine makes the snapshot, while its mount goes on. */
export async function commitLive(
  mountpoint: string,
  output: string,
  options: CommitCommandOptions,
): Promise<void> {
  for (const [name, flag] of Object.entries(OFFLINE)) {
    if (options[name as keyof typeof OFFLINE] === undefined) continue;
    throw new HexzError('USAGE', `${flag} does not go with --live`);
  }
  const password =
    options.encrypt === true
      ? await newPassword({ passwordFile: passwordFiles(options) }, 'the new snapshot')
      : undefined;
  const client = await ControlClient.connect(findEngine(mountpoint).socketPath);
  const reporter = new WriteReporter('commit', options);
  try {
    const report = await SignalGuard.run((guard) =>
      client.request(
        'commit',
        {
          output: resolve(output),
          force: options.force === true,
          thin: options.thin === true,
          compression: options.compression,
          blockBytes: options.blockSize,
          message: options.message,
          dropsMemory: options.dropMemory === true,
          password,
          verifiesAll: options.verifyAll === true,
        },
        {
          signal: guard.abortSignal(),
          onProgress: ({ phase, doneBytes, totalBytes }) =>
            reporter.update({
              phase: phase === 'check' ? 'check' : 'write',
              doneBytes,
              totalBytes,
            }),
        },
      ),
    ).finally(() => reporter.clear());
    reporter.end(report, () => textOf(report, mountpoint, options));
  } finally {
    await client.close();
  }
}

const passwordFiles = ({ newPasswordFile, passwordFile }: CommitCommandOptions): string[] =>
  newPasswordFile === undefined ? [...(passwordFile ?? [])] : [newPasswordFile];

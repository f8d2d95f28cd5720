import { type CliResult, runCli } from './cli.js';

/** A signal in the midst of a command, at a moment that can be repeated. */
interface Interruption {
  readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL';
  /** Which file operation it comes before, counted from 1 on. */
  readonly call: number;
}

/** What is said on standard error when the signal is sent. */
const SENT = 'the signal was sent\n';

/** The file operations between which something may be left half done. */
const SYNCHRONOUS = [
  ...['openSync', 'writeSync', 'ftruncateSync', 'closeSync', 'fsyncSync', 'fdatasyncSync'],
  ...['linkSync', 'renameSync', 'unlinkSync', 'fsync', 'fdatasync'],
];

/**
 * JavaScript for `before` of `runCli`: sends a signal to its own process before a file operation. Counting
 * begins with the first temporary file.
 */
const interruptAt = ({ signal, call }: Interruption): string => `
  import fs from 'node:fs';
  import promises from 'node:fs/promises';
  import { syncBuiltinESMExports } from 'node:module';
  let calls = 0;
  const count = (parameters) => {
    if (calls === 0 && !String(parameters[0]).includes('.hexz-')) return;
    if (++calls !== ${call}) return;
    writeSync(2, ${JSON.stringify(SENT)});
    process.kill(process.pid, '${signal}');
  };
  const { writeSync } = fs;
  for (const name of ${JSON.stringify(SYNCHRONOUS)}) {
    const original = fs[name];
    fs[name] = (...parameters) => {
      count(parameters);
      return original(...parameters);
    };
  }
  const { copyFile } = promises;
  promises.copyFile = async (...parameters) => {
    count(parameters);
    await copyFile(...parameters);
    count(parameters);
  };
  syncBuiltinESMExports();
`;

/**
 * Runs a command again and again, each time interrupted one file operation later, until it gets through.
 *
 * @param prepare makes everything anew, and answers with the command line
 * @param check looks at what was left
 * @returns how often it was interrupted
 */
export async function interruptEverywhere(
  signal: Interruption['signal'],
  prepare: () => readonly string[],
  check: (result: CliResult) => void,
): Promise<number> {
  for (let call = 1; ; call++) {
    const result = await runCli(prepare(), { before: interruptAt({ signal, call }) });
    if (!result.stderr.includes(SENT)) return call - 1;
    check(result);
  }
}

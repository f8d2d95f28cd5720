import pty from '@lydell/node-pty';
import { cliEnvironment } from './cli.js';

/** Runs Node on a terminal and types an answer whenever a prompt is shown; control-C when none is left. */
export function onTerminal(
  args: readonly string[],
  prompt: RegExp,
  answers: readonly string[],
): Promise<{ status: number; shown: string }> {
  const terminal = pty.spawn(process.execPath, [...args], {
    cols: 200,
    env: cliEnvironment() as Record<string, string>,
  });
  let shown = '';
  let answered = 0;
  terminal.onData((data) => {
    shown += data;
    const prompts = [...shown.matchAll(prompt)].length;
    while (answered < prompts) terminal.write(answers[answered++] ?? '\u0003');
  });
  return new Promise((resolve) => {
    terminal.onExit(({ exitCode }) => resolve({ status: exitCode, shown }));
  });
}

export interface OpenTerminal {
  type(text: string): void;
  /** Resolves when what was shown since the last call matches, and forgets it. */
  shows(expected: RegExp): Promise<string>;
  kill(signal: string): void;
  readonly status: Promise<number>;
}

const SHOW_LIMIT_MS = 20_000;

/** Runs Node on a terminal for a test that answers what it sees. */
export function openTerminal(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): OpenTerminal {
  const terminal = pty.spawn(process.execPath, [...args], {
    cols: 160,
    env: { ...(cliEnvironment(environment) as Record<string, string>), TERM: 'xterm' },
  });
  let shown = '';
  let check = (): void => {};
  terminal.onData((data) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what moves the cursor
    shown += data.replace(/\u001b\[[\d;?]*[a-zA-Z]/g, '');
    check();
  });
  return {
    type: (text) => terminal.write(text),
    kill: (signal) => terminal.kill(signal),
    shows: (expected) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          terminal.kill('SIGTERM');
          reject(new Error(`${expected} was not shown, but ${JSON.stringify(shown)}`));
        }, SHOW_LIMIT_MS);
        check = () => {
          if (!expected.test(shown)) return;
          clearTimeout(timer);
          check = () => {};
          const matched = shown;
          shown = '';
          resolve(matched);
        };
        check();
      }),
    status: new Promise((resolve) => {
      terminal.onExit(({ exitCode }) => resolve(exitCode));
    }),
  };
}

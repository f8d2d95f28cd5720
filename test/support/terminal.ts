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

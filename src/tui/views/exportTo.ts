import { quote } from '../../repl/language/lexer.js';
import type { ScreenContext } from './view.js';

/** Asks for a file and writes what a command answers to it. */
export async function exportTo(
  context: ScreenContext,
  question: string,
  command: string,
): Promise<void> {
  const file = (await context.askLine(question))?.trim() ?? '';
  if (file !== '') await context.run(`${command} > ${quote(file)}`);
}

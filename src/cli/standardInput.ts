import { HexzError } from '../engine/errors.js';
import { describeSystemError } from '../engine/systemErrors.js';

/** How long somebody who writes into a pipe has to show that nothing comes. */
const PIPE_LIMIT_MS = 300;

/**
 * Whether standard input, which is not taken, holds anything. Files and devices tell at once; a pipe that is open and empty
 * counts as one through which something comes. A terminal on which nobody is asked holds nothing.
 *
 * @throws HexzError UNREADABLE
 */
export function hasInput(): Promise<boolean> {
  const { stdin } = process;
  if (stdin.isTTY === true) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    const onReadable = (): void => {
      if (stdin.readableLength > 0) settle(() => resolve(true));
      // Only who reads is told of the end.
      else stdin.read();
    };
    const onEnd = (): void => settle(() => resolve(false));
    const onError = (cause: Error): void => {
      const location = { file: 'standard input' };
      const message = `cannot read it: ${describeSystemError(cause)}`;
      settle(() => reject(new HexzError('UNREADABLE', message, { location, cause })));
    };
    const timer = setTimeout(() => settle(() => resolve(true)), PIPE_LIMIT_MS);
    const settle = (answer: () => void): void => {
      clearTimeout(timer);
      stdin.removeListener('readable', onReadable);
      stdin.removeListener('end', onEnd);
      stdin.removeListener('error', onError);
      answer();
    };
    stdin.on('readable', onReadable).on('end', onEnd).on('error', onError);
  });
}

/** Whether standard input was taken to its end, and nothing was in it. */
export const hasBeenEmpty = (): boolean =>
  process.stdin.readableEnded && process.stdin.bytesRead === 0;

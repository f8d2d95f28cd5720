import { type HexzCode, HexzError } from '../../src/index.js';

/** The HexzError that an action throws; anything else it does fails the test. */
export function errorOf(action: () => unknown): HexzError {
  try {
    action();
  } catch (error) {
    if (error instanceof HexzError) return error;
    throw error;
  }
  throw new Error('expected a HexzError, but nothing was thrown');
}

/** The code of the HexzError that an action throws, or 'ok'. */
export function codeOf(action: () => unknown): HexzCode | 'ok' {
  try {
    action();
    return 'ok';
  } catch (error) {
    if (error instanceof HexzError) return error.code;
    throw error;
  }
}

/** The same of a promise. */
export async function codeOfAsync(action: () => Promise<unknown>): Promise<HexzCode | 'ok'> {
  try {
    await action();
    return 'ok';
  } catch (error) {
    if (error instanceof HexzError) return error.code;
    throw error;
  }
}

import { HexzError } from '../../engine/errors.js';

/** What is wrong with a pattern, and at which column, from 1 (in UTF-16 units, as an editor line counts). */
export const patternError = (message: string, column: number): HexzError =>
  new HexzError('USAGE', `column ${column} of the pattern: ${message}`, { location: { column } });

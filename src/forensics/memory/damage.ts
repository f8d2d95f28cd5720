import { HexzError } from '../../engine/errors.js';

/** A container that contradicts itself. @param offset in the memory stream */
export const damaged = (message: string, offset: number | undefined): HexzError =>
  new HexzError('MEMORY_DAMAGED', message, { location: { stream: 'memory', offset } });

/** A container that hexz does not read, or not in this form. */
export const unsupported = (message: string, offset?: number, hint?: string): HexzError =>
  new HexzError('MEMORY_UNSUPPORTED', message, { location: { stream: 'memory', offset }, hint });

export const beyondLimit = (message: string, offset: number | undefined): HexzError =>
  new HexzError('LIMIT', message, { location: { stream: 'memory', offset } });

/** What was thrown about an offset in the plain form of a stream, with the offset that the stream has for it, if any. */
export function relocated(
  error: unknown,
  streamOffsetOf: (offset: number) => number | undefined,
): unknown {
  if (!(error instanceof HexzError) || error.location.offset === undefined) return error;
  const { code, message, hint, location, cause } = error;
  const offset = streamOffsetOf(error.location.offset);
  return new HexzError(code, message, { location: { ...location, offset }, hint, cause });
}

export const hex = (value: number): string => `0x${value.toString(16)}`;

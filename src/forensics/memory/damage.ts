import { HexzError } from '../../engine/errors.js';

/** A container that contradicts itself. @param offset in the memory stream */
export const damaged = (message: string, offset: number | undefined): HexzError =>
  new HexzError('MEMORY_DAMAGED', message, { location: { stream: 'memory', offset } });

/** A container that hexz does not read, or not in this form. */
export const unsupported = (message: string, offset?: number, hint?: string): HexzError =>
  new HexzError('MEMORY_UNSUPPORTED', message, { location: { stream: 'memory', offset }, hint });

export const beyondLimit = (message: string, offset: number | undefined): HexzError =>
  new HexzError('LIMIT', message, { location: { stream: 'memory', offset } });

export const hex = (value: number): string => `0x${value.toString(16)}`;

import { AssertionError } from 'node:assert';

/** Of places that a message names, at most so many. */
const MAX_NAMED = 8;

/**
 * Makes the error of an expectation that does not hold; runners show `actual` and `expected` beside each other where
 * both are given.
 *
 * @param details lines below the message
 */
export function failure(
  message: string,
  details: readonly string[] = [],
  values: { readonly actual?: unknown; readonly expected?: unknown } = {},
): AssertionError {
  const shown = details.slice(0, MAX_NAMED).map((line) => `  ${line}`);
  const further = details.length - shown.length;
  const rest = further > 0 ? [`  and ${further} more`] : [];
  return new AssertionError({ message: [message, ...shown, ...rest].join('\n'), ...values });
}

export const countOf = (count: number, one: string): string =>
  `${count} ${one}${count === 1 ? '' : 's'}`;

/** Where bytes lie, both ends hexadecimal: what is behind the second one does not belong to them. */
export const rangeText = (offset: number, length: number): string =>
  `0x${offset.toString(16)}-0x${(offset + length).toString(16)}`;

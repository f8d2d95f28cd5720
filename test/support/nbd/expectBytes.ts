import { expect } from 'vitest';

/** Holds bytes against what they should be; quicker than element by element. */
export function expectBytes(actual: Buffer | undefined, wanted: Buffer): void {
  if (actual?.equals(wanted) === true) return;
  const difference = actual?.findIndex((byte, index) => byte !== wanted[index]);
  expect({ length: actual?.length, difference }).toEqual({ length: wanted.length, difference: -1 });
}

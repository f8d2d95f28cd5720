import type { Snapshot } from '../snapshot/snapshot.js';

/**
 * What a person should know of a snapshot that a new one is made from.
 *
 * @param what the role that it has
 */
export function originWarnings(
  origin: Snapshot,
  what: 'base' | 'parent',
  { isThin, encrypts }: { readonly isThin: boolean; readonly encrypts: boolean },
): string[] {
  const warnings: string[] = [];
  if (origin.isChainEncrypted && !encrypts) {
    warnings.push(`the ${what} is encrypted, the new snapshot is not; --encrypt does it`);
  }
  if (isThin && origin.isChainEncrypted) {
    warnings.push(`the ${what} is encrypted; the Rust hexz cannot read thin snapshots of such`);
  }
  if (isThin && origin.chain().some(({ generation }) => generation !== 'A')) {
    warnings.push(
      `the ${what}, or one of its parents, is not of hexz 0.5; the Rust hexz cannot read thin snapshots of such`,
    );
  }
  return warnings;
}

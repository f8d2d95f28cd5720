import type { GuestMemory } from './guestMemory.js';

const ENTRY_BYTES = 8;
const INDEX_BITS = 9n;
const PAGE_BITS = 12n;
const PRESENT = 1n;
const LARGE = 0x80n;
const ADDRESS_MASK = 0x000f_ffff_ffff_f000n;
/** Levels of which an entry may be a page of its own: 2 MiB and 1 GiB. */
const largeLevels: ReadonlySet<number> = new Set([2, 3]);

/**
 * Translates a virtual address of an x86-64 guest.
 *
 * @param root guest-physical address of the top table
 * @param levels 4 or 5
 * @returns undefined where an entry is not present, or not in the memory
 */
export function translate(
  memory: GuestMemory,
  root: number,
  virtual: bigint,
  levels: number,
): number | undefined {
  const bytes = Buffer.alloc(ENTRY_BYTES);
  let table = BigInt(root) & ADDRESS_MASK;
  for (let level = levels; level >= 1; level--) {
    const shift = PAGE_BITS + INDEX_BITS * BigInt(level - 1);
    const index = (virtual >> shift) & 0x1ffn;
    if (memory.readAvailable(Number(table + index * 8n), bytes) < ENTRY_BYTES) return undefined;
    const entry = bytes.readBigUInt64LE(0);
    if ((entry & PRESENT) === 0n) return undefined;
    if (level === 1 || (largeLevels.has(level) && (entry & LARGE) !== 0n)) {
      const inner = (1n << shift) - 1n;
      return Number((entry & ADDRESS_MASK & ~inner) | (virtual & inner));
    }
    table = entry & ADDRESS_MASK;
  }
  return undefined;
}

import type { GuestMemory } from './guestMemory.js';
import { translate } from './pageTables.js';

/** The text has at most one page. */
const MAX_TEXT_BYTES = 4096;
/** What the text begins with. */
export const VMCOREINFO_START = 'OSRELEASE=';
const PAGE_SIZE_WITHIN = 512;
/** Where the kernel image is mapped (Documentation/arch/x86/x86_64/mm.rst). */
const IMAGE_BASE = 0xffff_ffff_8000_0000n;

/**
 * What a Linux kernel tells crash tools about itself: lines KEY=value.
 *
 * @see docs/memory.md
 */
export class Vmcoreinfo {
  readonly text: string;
  readonly #values = new Map<string, string>();

  constructor(text: string) {
    this.text = text;
    for (const line of text.split('\n')) {
      const equals = line.indexOf('=');
      if (equals > 0) this.#values.set(line.slice(0, equals), line.slice(equals + 1));
    }
  }

  get release(): string | undefined {
    return this.#values.get('OSRELEASE');
  }

  /** The run-time address of a symbol. */
  symbol(name: string): bigint | undefined {
    const value = this.#values.get(`SYMBOL(${name})`);
    return value !== undefined && /^[0-9a-f]{1,16}$/i.test(value)
      ? BigInt(`0x${value}`)
      : undefined;
  }

  number(name: string): bigint | undefined {
    const value = this.#values.get(`NUMBER(${name})`);
    return value !== undefined && /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined;
  }

  /** The guest-physical address of a symbol of the kernel image. */
  physicalOf(symbol: string): number | undefined {
    const virtual = this.symbol(symbol);
    const base = this.number('phys_base');
    if (virtual === undefined || base === undefined) return undefined;
    const physical = Number(virtual - IMAGE_BASE + base);
    return physical >= 0 && Number.isSafeInteger(physical) ? physical : undefined;
  }

  /** Whether the page tables that it names are in the memory and lead to the kernel: so it is that of the running one. */
  fits(memory: GuestMemory): boolean {
    const start = this.symbol('_stext');
    const physical = this.physicalOf('_stext');
    const root = this.physicalOf('init_top_pgt') ?? this.physicalOf('swapper_pg_dir');
    if (start === undefined || physical === undefined || root === undefined) return false;
    const levels = this.number('pgtable_l5_enabled') === 1n ? 5 : 4;
    return translate(memory, root, start, levels) === physical;
  }
}

/** The VMCOREINFO whose text begins at an address, if one does. */
export function vmcoreinfoAt(memory: GuestMemory, address: number): Vmcoreinfo | undefined {
  const bytes = Buffer.alloc(MAX_TEXT_BYTES);
  const length = memory.readAvailable(address, bytes);
  const end = bytes.subarray(0, length).indexOf(0);
  const text = bytes.toString('latin1', 0, end < 0 ? length : end);
  const isPlausible =
    text.startsWith(VMCOREINFO_START) &&
    text.slice(0, PAGE_SIZE_WITHIN).includes('\nPAGESIZE=') &&
    text.includes('\nSYMBOL(');
  return isPlausible ? new Vmcoreinfo(text) : undefined;
}

import { HexzError } from '../errors.js';
import type { NbdExport } from './export.js';
import { MAX_NAME_BYTES } from './limits.js';

/** What a server offers. */
export class Exports {
  readonly #default: NbdExport | undefined;
  readonly #all: readonly NbdExport[];

  /**
   * @param all the disk, if there is one, first
   * @param defaultExport the one without a name
   * @throws HexzError USAGE for names that clients could not tell apart, or send
   */
  constructor(all: readonly NbdExport[], defaultExport: NbdExport | undefined) {
    for (const [index, { name }] of all.entries()) checkName(name, all.slice(0, index));
    this.#all = all;
    this.#default = defaultExport;
  }

  find(name: string): NbdExport | undefined {
    return name === '' ? this.#default : this.#all.find((each) => each.name === name);
  }

  [Symbol.iterator](): IterableIterator<NbdExport> {
    return this.#all.values();
  }
}

function checkName(name: string, others: readonly NbdExport[]): void {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new HexzError('USAGE', 'the name of an export is empty or too long');
  }
  if (others.some((other) => other.name === name)) {
    throw new HexzError('USAGE', `two exports cannot have the same name, ${name}`);
  }
}

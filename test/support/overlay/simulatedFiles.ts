import { dirname } from 'node:path';
import type { FileAccess, OverlayFile, OverlayFiles } from '../../../src/engine/overlay/files.js';
import { SparseBytes } from './sparseBytes.js';

/*
 * A file system in memory that remembers everything that was done to it, fails when told to, and can be
 * looked at as it would be after a kill or a power cut at any earlier moment.
 *
 * A state is an image (what was on the disk when it began) and a journal of changes since. The current
 * contents are always the image with the whole journal applied.
 *
 *   killedAfter(k)      the first k changes, all of them: the page cache outlives a process. Those that were
 *                       not synced stay unsynced, so that a power cut may follow.
 *   powerCutAfter(k)    of the first k changes those that a sync covers, and of the others any:
 *     bytes             each write is kept, lost, or torn at sectors of 512 bytes, in any order
 *     lengths           each truncation, and each extension by a write, is kept or lost on its own: a lost
 *                       truncation brings the old bytes back, an extension without its bytes shows zeros
 *     names             each creation, renaming and removal is kept or lost, renamings as a whole
 *
 * A sync of a file covers its bytes and its length, one of a directory the names in it.
 */

type FileNumber = number;

export type Change =
  | { readonly kind: 'create'; readonly path: string; readonly file: FileNumber }
  | {
      readonly kind: 'rename';
      readonly from: string;
      readonly to: string;
      readonly file: FileNumber;
    }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'syncDirectory'; readonly path: string }
  | {
      readonly kind: 'write';
      readonly file: FileNumber;
      readonly offset: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: 'truncate'; readonly file: FileNumber; readonly length: number }
  /** Covers the changes of the file before the one with the number `covered`. */
  | { readonly kind: 'sync'; readonly file: FileNumber; readonly covered: number };

/** What can be made to fail. */
export type Operation =
  | 'open'
  | 'create'
  | 'length'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'lock'
  | 'rename'
  | 'remove'
  | 'syncDirectory';

export interface Fault {
  readonly operations: readonly Operation[];
  /** How many of these operations still succeed. */
  readonly after: number;
  readonly code: string;
  /** Of a write that fails, the share of its bytes that gets written all the same. */
  readonly writtenShare?: number;
  /** Whether all further ones fail as well, as on a full disk. */
  readonly isLasting?: boolean;
}

/** A number from 0 up to 1, without it. */
export type Random = () => number;

const SECTOR_BYTES = 512;

class Image {
  readonly names = new Map<string, FileNumber>();
  readonly files = new Map<FileNumber, SparseBytes>();

  contents(file: FileNumber): SparseBytes {
    const contents = this.files.get(file);
    if (contents === undefined) throw new Error(`no file ${file}`);
    return contents;
  }

  apply(change: Change): void {
    if (change.kind === 'create') this.#create(change.path, change.file);
    else if (change.kind === 'remove') this.names.delete(change.path);
    else if (change.kind === 'rename') this.#rename(change.from, change.to, change.file);
    else if (change.kind === 'write') this.contents(change.file).write(change.bytes, change.offset);
    else if (change.kind === 'truncate') this.contents(change.file).truncate(change.length);
  }

  #create(path: string, file: FileNumber): void {
    this.names.set(path, file);
    this.files.set(file, new SparseBytes());
  }

  /** It is the file that gets the new name, whichever has the old one by now. */
  #rename(from: string, to: string, file: FileNumber): void {
    if (this.names.get(from) === file) this.names.delete(from);
    this.names.set(to, file);
  }

  clone(): Image {
    const copy = new Image();
    for (const [path, file] of this.names) copy.names.set(path, file);
    for (const [file, contents] of this.files) copy.files.set(file, contents.clone());
    return copy;
  }
}

export class SimulatedFiles implements OverlayFiles {
  readonly #begin: Image;
  readonly #now: Image;
  readonly #journal: Change[];
  readonly #open = new Set<SimulatedFile>();
  #nextFile: number;
  #covering: readonly number[] = [];
  #fault: Fault | undefined;
  #faultCountdown = 0;

  constructor(begin: Image = new Image(), journal: readonly Change[] = []) {
    this.#begin = begin;
    this.#journal = [...journal];
    this.#now = begin.clone();
    for (const change of journal) this.#now.apply(change);
    this.#nextFile = 1 + Math.max(0, ...this.#now.files.keys());
  }

  get journal(): readonly Change[] {
    return this.#journal;
  }

  /** The number of files that are open. */
  get openCount(): number {
    return this.#open.size;
  }

  /** The names of all files. */
  get paths(): readonly string[] {
    return [...this.#now.names.keys()].sort();
  }

  contentsOf(path: string): Buffer {
    return this.#now.contents(this.#numberOf(path)).toBuffer();
  }

  /** A file that was there, whole and on the disk, before everything in the journal. */
  put(path: string, contents: Buffer): void {
    if (this.#journal.length > 0) throw new Error('the journal has begun');
    const file = this.#nextFile++;
    for (const image of [this.#begin, this.#now]) {
      image.apply({ kind: 'create', path, file });
      image.contents(file).write(contents, 0);
    }
  }

  failNext(fault: Fault): void {
    this.#fault = fault;
    this.#faultCountdown = fault.after;
  }

  /** Ends what `failNext` began; says whether it happened. */
  endFault(): boolean {
    const hasHappened = this.#fault === undefined || this.#faultCountdown < 0;
    this.#fault = undefined;
    return hasHappened;
  }

  /** Does something without the failures that are to come. */
  withoutFault<T>(action: () => T): T {
    const fault = this.#fault;
    this.#fault = undefined;
    try {
      return action();
    } finally {
      this.#fault = fault;
    }
  }

  /** As it is when the process is killed after this many changes, and in the middle of the next one. */
  killedAfter(changeCount: number, partOfNext = 0): SimulatedFiles {
    const journal = this.#journal.slice(0, changeCount);
    const next = this.#journal[changeCount];
    if (next?.kind === 'write') {
      const bytes = next.bytes.subarray(0, Math.floor(next.bytes.length * partOfNext));
      if (bytes.length > 0) journal.push({ ...next, bytes });
    }
    return new SimulatedFiles(this.#begin, journal);
  }

  /** As the disk may be when the power fails after this many changes. */
  powerCutAfter(changeCount: number, random: Random): SimulatedFiles {
    const journal = this.#journal.slice(0, changeCount);
    const image = this.#begin.clone();
    const covering = this.#coveringChanges();
    const keepsName = chance(random);
    const keeps = new Map<FileNumber, Keeps>();
    journal.forEach((change, index) => {
      const isCovered = (covering[index] ?? 0) < changeCount;
      if (change.kind === 'create') {
        // A file that loses its name keeps its number.
        image.files.set(change.file, new SparseBytes());
        keeps.set(change.file, { bytes: chance(random), length: chance(random) });
      }
      if (isCovered) image.apply(change);
      else if (change.kind !== 'write' && change.kind !== 'truncate') {
        if (keepsName()) image.apply(change);
      } else {
        const kept = keeps.get(change.file) ?? { bytes: chance(random), length: chance(random) };
        keeps.set(change.file, kept);
        applyInPart(image.contents(change.file), change, kept);
      }
    });
    for (const contents of image.files.values()) contents.truncate(contents.length);
    return new SimulatedFiles(image);
  }

  open(path: string, access: FileAccess): OverlayFile {
    this.#perform(access === 'create' ? 'create' : 'open');
    const taken = this.#now.names.get(path);
    if (access === 'create') {
      if (taken !== undefined) throw systemError('EEXIST');
      this.#change({ kind: 'create', path, file: this.#nextFile++ });
    } else if (taken === undefined) {
      throw systemError('ENOENT');
    }
    const number = this.#numberOf(path);
    const file: SimulatedFile = new SimulatedFile(path, number, access !== 'read', {
      contents: this.#now.contents(number),
      perform: (operation) => this.#perform(operation),
      write: (bytes, offset) => this.#write(number, bytes, offset),
      change: (change) => this.#change(change),
      changeCount: () => this.#journal.length,
      others: () => [...this.#open].filter((other) => other !== file && other.number === number),
      closed: () => this.#open.delete(file),
    });
    this.#open.add(file);
    return file;
  }

  rename(from: string, to: string): void {
    this.#perform('rename');
    this.#change({ kind: 'rename', from, to, file: this.#numberOf(from) });
  }

  remove(path: string): void {
    this.#perform('remove');
    this.#numberOf(path);
    this.#change({ kind: 'remove', path });
  }

  syncDirectory(path: string): void {
    this.#perform('syncDirectory');
    this.#change({ kind: 'syncDirectory', path });
  }

  #coveringChanges(): readonly number[] {
    if (this.#covering.length < this.#journal.length) {
      this.#covering = coveringChanges(this.#journal);
    }
    return this.#covering;
  }

  #write(file: FileNumber, bytes: Buffer, offset: number): void {
    const share = this.#fault?.writtenShare ?? 0;
    try {
      this.#perform('write');
    } catch (error) {
      const written = bytes.subarray(0, Math.floor(bytes.length * share));
      if (written.length > 0) this.#changeBytes(file, written, offset);
      throw error;
    }
    this.#changeBytes(file, bytes, offset);
  }

  #changeBytes(file: FileNumber, bytes: Buffer, offset: number): void {
    if (bytes.length === 0) return;
    this.#change({ kind: 'write', file, offset, bytes: Buffer.from(bytes) });
  }

  #change(change: Change): void {
    this.#journal.push(change);
    this.#now.apply(change);
  }

  /** Lets an operation happen, or fail. */
  #perform(operation: Operation): void {
    const fault = this.#fault;
    if (fault === undefined || !fault.operations.includes(operation)) return;
    const left = this.#faultCountdown--;
    if (left === 0 || (left < 0 && fault.isLasting === true)) throw systemError(fault.code);
  }

  #numberOf(path: string): FileNumber {
    const file = this.#now.names.get(path);
    if (file === undefined) throw systemError('ENOENT');
    return file;
  }
}

/** What an open file needs of the file system. */
interface Host {
  readonly contents: SparseBytes;
  perform(operation: Operation): void;
  write(bytes: Buffer, offset: number): void;
  change(change: Change): void;
  changeCount(): number;
  others(): readonly SimulatedFile[];
  closed(): void;
}

class SimulatedFile implements OverlayFile {
  readonly path: string;
  readonly number: FileNumber;
  readonly identity: string;
  /** No other thread finds it. */
  readonly descriptor = -1;
  readonly #isWritable: boolean;
  readonly #host: Host;
  #isOpen = true;
  #lock: 'shared' | 'exclusive' | undefined;

  constructor(path: string, number: FileNumber, isWritable: boolean, host: Host) {
    this.path = path;
    this.number = number;
    this.identity = `simulated:${number}`;
    this.#isWritable = isWritable;
    this.#host = host;
  }

  length(): number {
    this.#use('length');
    return this.#host.contents.length;
  }

  read(target: Buffer, offset: number): number {
    this.#use('read');
    return this.#host.contents.read(target, offset);
  }

  write(bytes: Buffer, offset: number): void {
    this.#use();
    this.#mustBeWritable();
    this.#host.write(bytes, offset);
  }

  truncate(length: number): void {
    this.#use('truncate');
    this.#mustBeWritable();
    this.#host.change({ kind: 'truncate', file: this.number, length });
  }

  sync(): void {
    this.#endSync(this.#host.changeCount());
  }

  async syncLater(): Promise<void> {
    const covered = this.#host.changeCount();
    await new Promise((resolve) => setImmediate(resolve));
    this.#endSync(covered);
  }

  #endSync(covered: number): void {
    this.#use('sync');
    this.#host.change({ kind: 'sync', file: this.number, covered });
  }

  lock(kind: 'shared' | 'exclusive'): boolean {
    this.#use('lock');
    const isRefused = this.#host
      .others()
      .some((other) => other.#lock === 'exclusive' || (other.#lock && kind === 'exclusive'));
    if (!isRefused) this.#lock = kind;
    return !isRefused;
  }

  close(): void {
    this.#isOpen = false;
    this.#lock = undefined;
    this.#host.closed();
  }

  #use(operation?: Operation): void {
    if (!this.#isOpen) throw systemError('EBADF');
    if (operation !== undefined) this.#host.perform(operation);
  }

  #mustBeWritable(): void {
    if (!this.#isWritable) throw systemError('EBADF');
  }
}

/** For each change the number of the one that puts it on the disk for certain; Infinity if there is none. */
function coveringChanges(journal: readonly Change[]): readonly number[] {
  const covering = journal.map(() => Number.POSITIVE_INFINITY);
  const waiting = new Map<FileNumber | string, number[]>();
  const wait = (place: FileNumber | string, index: number): void => {
    const indexes = waiting.get(place);
    if (indexes === undefined) waiting.set(place, [index]);
    else indexes.push(index);
  };
  const cover = (place: FileNumber | string, end: number, by: number): void => {
    const indexes = waiting.get(place) ?? [];
    for (const index of indexes) if (index < end) covering[index] = by;
    waiting.set(
      place,
      indexes.filter((index) => index >= end),
    );
  };
  journal.forEach((change, index) => {
    if (change.kind === 'create' || change.kind === 'remove') wait(dirname(change.path), index);
    else if (change.kind === 'rename') wait(dirname(change.to), index);
    else if (change.kind === 'syncDirectory') cover(change.path, index, index);
    else if (change.kind !== 'sync') wait(change.file, index);
    else cover(change.file, change.covered, index);
  });
  return covering;
}

/** Decide what is kept of the changes of a file. */
interface Keeps {
  readonly bytes: () => boolean;
  readonly length: () => boolean;
}

function applyInPart(
  contents: SparseBytes,
  change: Extract<Change, { kind: 'write' | 'truncate' }>,
  keeps: Keeps,
): void {
  if (change.kind === 'truncate') {
    if (keeps.length()) contents.truncate(change.length);
    return;
  }
  for (const { bytes, offset } of sectorsOf(change)) {
    if (keeps.bytes()) contents.place(bytes, offset);
  }
  if (keeps.length()) contents.extend(change.offset + change.bytes.length);
}

/** Cuts a write where sectors begin. */
function* sectorsOf({
  bytes,
  offset,
}: {
  readonly bytes: Buffer;
  readonly offset: number;
}): Generator<{ bytes: Buffer; offset: number }> {
  let start = 0;
  while (start < bytes.length) {
    const end = Math.min(bytes.length, start + SECTOR_BYTES - ((offset + start) % SECTOR_BYTES));
    yield { bytes: bytes.subarray(start, end), offset: offset + start };
    start = end;
  }
}

/** Decides again and again, with one chance: often all or nothing, so that whole groups get lost. */
function chance(random: Random): () => boolean {
  const chances = [0, 0, 0.2, 0.5, 0.8, 1, 1];
  const share = chances[Math.floor(random() * chances.length)] ?? 0;
  return () => random() < share;
}

const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: simulated`), { code });

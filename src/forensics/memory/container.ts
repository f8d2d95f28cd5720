import type { MappedRange } from './rangeMap.js';

/** How a memory stream is stored. */
export type ContainerName =
  | 'raw'
  | 'elf-core'
  | 'lime'
  | 'kdump'
  | 'kdump-flattened'
  | 'qemu-migration';

/** What a container says besides the bytes; a member is there when it says so. */
export interface MemoryMetadata {
  /** As the kernel spells it: `x86_64`. */
  readonly architecture?: string;
  /** The type of the virtual machine, such as `pc-q35-7.2`. */
  readonly machine?: string;
  readonly cpuCount?: number;
  /** The text of a VMCOREINFO note, as stored. */
  readonly vmcoreinfo?: string;
  /** Memory that the stream holds, at a guest-physical address that it does not tell. */
  readonly unmappedBlocks?: readonly { readonly name: string; readonly length: number }[];
}

/** A container that was understood. */
export interface MemoryContainer {
  readonly name: ContainerName;
  readonly ranges: readonly MappedRange[];
  readonly metadata: MemoryMetadata;
  /** What was odd, one sentence each. */
  readonly warnings: readonly string[];
}

/** How far a long operation is. */
export interface MemoryStep {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

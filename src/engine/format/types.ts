/** The two streams of a snapshot. Generation B calls them main and auxiliary. */
export const streamNames = ['disk', 'memory'] as const;
export type StreamName = (typeof streamNames)[number];

export type Compression = 'lz4' | 'zstd';

/** A range of bytes in a snapshot file. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/** Key derivation parameters of an encrypted snapshot. */
export interface EncryptionParameters {
  readonly salt: Buffer;
  readonly iterations: number;
}

/** Parameters of the content-defined chunker, as generation B records them. */
export interface ChunkingParameters {
  readonly averageBits: number;
  readonly minimumBytes: number;
  readonly maximumBytes: number;
}

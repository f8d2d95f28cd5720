import type { ActivityEvent } from '../../../src/engine/control/protocol/activity.js';

/** A read of one block that was cached, but for what is said. */
export const eventOf = (changes: Partial<ActivityEvent>): ActivityEvent => ({
  time: 0,
  kind: 'read',
  stream: 'disk',
  offset: 0,
  length: 4096,
  firstBlockIndex: 0,
  blockCount: 1,
  hitBlocks: 1,
  decodedBlocks: 0,
  decodeMicroseconds: 0,
  microseconds: 5,
  newDirtyPages: 0,
  hasFailed: false,
  ...changes,
});

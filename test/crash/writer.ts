// Writes to a mounted disk, and notes in a log what it begins and what was answered. It lives longer than the
// engine, so it knows. What write(2) has written, the engine has answered: the kernel passes it on at once.

import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { randomFrom } from '../support/overlay/memoryBase.js';
import {
  bytesOf,
  type LogLine,
  type Operation,
  randomOperation,
  type WriterReport,
  type WriterTask,
} from './operations.js';

process.on('message', (task: WriterTask) => {
  const log = openSync(task.logPath, 'w');
  const report: WriterReport = { failure: writeUntilFailure(task, log) };
  closeSync(log);
  process.send?.(report);
});

function writeUntilFailure({ diskPath, diskLength, seed }: WriterTask, log: number): string {
  const note = (line: LogLine) => writeSync(log, `${JSON.stringify(line)}\n`);
  const random = randomFrom(seed);
  let disk: number | undefined;
  try {
    disk = openSync(diskPath, 'r+');
    let length = diskLength;
    for (;;) {
      let operation: Operation | undefined = randomOperation(random, length);
      while (operation !== undefined) {
        note({ begun: operation });
        const answered = perform(operation, disk);
        note({ answered });
        length = lengthAfter(operation, answered, length);
        operation = restOf(operation, answered);
      }
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    if (disk !== undefined) closeQuietly(disk);
  }
}

function perform(operation: Operation, disk: number): number {
  switch (operation.kind) {
    case 'write':
      return writeSync(disk, bytesOf(operation), 0, operation.length, operation.offset);
    case 'truncate':
      ftruncateSync(disk, operation.length);
      return 0;
    case 'sync':
      fsyncSync(disk);
      return 0;
  }
}

function restOf(operation: Operation, answered: number): Operation | undefined {
  if (operation.kind !== 'write' || answered === operation.length) return undefined;
  const { offset, length, source } = operation;
  return {
    kind: 'write',
    offset: offset + answered,
    length: length - answered,
    source: source + answered,
  };
}

function lengthAfter(operation: Operation, answered: number, length: number): number {
  if (operation.kind === 'truncate') return operation.length;
  return operation.kind === 'write' ? Math.max(length, operation.offset + answered) : length;
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // The mount is dead; the descriptor is closed all the same.
  }
}

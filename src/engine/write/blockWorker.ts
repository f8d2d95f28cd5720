import { parentPort, workerData } from 'node:worker_threads';
import { asHexzError } from '../errors.js';
import { BlockBatch } from './blockBatch.js';
import type { WorkerReply, WorkerRequest } from './blockPool.js';
import { BatchEncoder, type EncoderSettings } from './encodeBatch.js';
import { PageChecker } from './pageChecker.js';

/*
 * A thread that encodes batches and checks index pages for the thread that started it, one request after the
 * other. It opens what it checks for itself, and keeps it open for the next page.
 */

const settings = workerData as EncoderSettings;
// Bytes arrive as plain arrays from the other thread.
const asBuffer = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes);
const encoder = await BatchEncoder.create({
  ...settings,
  dictionary: asBuffer(settings.dictionary),
  key: asBuffer(settings.key),
});
const checker = new PageChecker();

const reply = (message: WorkerReply, transfer: readonly ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, transfer);

parentPort?.on('message', (request: WorkerRequest) => {
  try {
    if (request.type === 'encode') {
      const batch = BlockBatch.of(request.memory);
      encoder.encode(batch);
      const memory = batch.release();
      reply({ type: 'encoded', memory }, [memory.plain, memory.stored, memory.table]);
    } else {
      reply({ type: 'checked', counts: checker.check(request.page) });
    }
  } catch (error) {
    const { code, message, location, hint } = asHexzError(error);
    reply({ type: 'failed', error: { code, message, location, hint } });
  }
});

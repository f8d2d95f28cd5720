import { z } from 'zod';
import { count, portableError, progress } from './values.js';

/*
 * The control protocol: lines of JSON over a Unix socket, UTF-8, ended by a line feed (docs/control-protocol.md).
 *
 *   engine  -> { "hexz": "control", "version": 1, ... }              once, when a watcher connects
 *   watcher -> { "id": N, "method": M, "params": {...} }             ids are the watcher's, each used once at a time
 *   watcher -> { "cancel": N }                                       that request ends with CANCELLED
 *   engine  -> { "id": N, "items": [...] }                           any number of times, for methods that yield
 *   watcher -> { "taken": N }                                        for each batch of items that it has used
 *   engine  -> { "id": N, "progress": {...} }                        any number of times
 *   engine  -> { "id": N, "result": ... } or { "id": N, "error": ... }   once, the last of this id
 *   engine  -> { "error": ... }                                      a line that is no request; the connection ends
 *
 * Requests of one connection run at the same time and are answered in any order. The engine sends so many batches of
 * one request ahead of `taken`, and no more: whoever is slow holds up nothing but his own request.
 */

/** Grows when what there was before changes its meaning; what is only added leaves it. */
export const PROTOCOL_VERSION = 1;

/** Longer lines of a watcher end its connection. */
export const MAX_REQUEST_BYTES = 32 * 1024 * 1024;

/** Lines of a watcher that consist of more JSON values end its connection. */
export const MAX_REQUEST_VALUES = 65_536;

/** Requests of one connection that run at the same time; more are refused (LIMIT). */
export const MAX_RUNNING_REQUESTS = 32;

/** Of those, subscriptions to the activity (`watch`). */
export const MAX_WATCHES = 4;

/** Batches of items of one request that are sent before the first of them is taken. */
export const BATCHES_AHEAD = 4;

export const greeting = z.object({
  hexz: z.literal('control'),
  version: z.int(),
  pid: count,
});

export const request = z.union([
  z.strictObject({ id: count, method: z.string().max(64), params: z.unknown().optional() }),
  z.strictObject({ cancel: count }),
  z.strictObject({ taken: count }),
]);

export const reply = z.union([
  z.object({ id: count, items: z.array(z.unknown()) }),
  z.object({ id: count, progress }),
  z.object({ id: count, result: z.unknown() }),
  z.object({ id: count.optional(), error: portableError }),
]);

export type Greeting = z.output<typeof greeting>;
export type Reply = z.output<typeof reply>;

import { parentPort, workerData } from 'node:worker_threads';
import { ActivitySampler } from '../src/engine/activity/sampler.js';
import type { SharedActivity } from '../src/engine/activity/shared.js';

/*
 * Samples what is recorded for three watchers, 30 times a second each, and answers any message with the mean time of
 * a sample in microseconds.
 */

const INTERVAL_MILLISECONDS = 1000 / 30;
const MAXIMUM_EVENTS = 200;
const sampler = new ActivitySampler(workerData as SharedActivity);
const watchers = [sampler.cursor('start'), sampler.cursor('start'), sampler.cursor('now')];
let samples = 0;
let milliseconds = 0;

setInterval(() => {
  const start = performance.now();
  for (const watcher of watchers) watcher.sample(MAXIMUM_EVENTS);
  samples += watchers.length;
  milliseconds += performance.now() - start;
}, INTERVAL_MILLISECONDS);

parentPort?.on('message', () => parentPort?.postMessage((milliseconds * 1000) / samples));

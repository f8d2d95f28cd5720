import { createServer } from 'node:net';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { ActivitySampler } from '../activity/sampler.js';
import { fromPortable } from '../errors.js';
import { SharedDirtySet } from '../overlay/sharedOverlay.js';
import { describeSystemError } from '../systemErrors.js';
import { answerCalls, callsTo } from './calls.js';
import type { ControlCommands, EngineCommands } from './commands.js';
import { Connection } from './connection.js';
import { Jobs } from './jobs.js';
import { ReviewKeeper } from './reviewKeeper.js';
import type { ControlGreeting, ControlSetting } from './server.js';
import { Watchers } from './watchers.js';

/*
 * The thread of an engine that listens for watchers. The thread that serves the mount never waits for it, and what
 * takes time is done in threads of their own.
 */

/** Below that of the thread that serves the mount, above that of jobs. */
const NICENESS = 5;
/** More watchers of one user than anybody needs are refused. */
const MAX_CONNECTIONS = 64;

const port = parentPort;
if (port === null) throw new Error('this is the program of a thread');

// Of this thread alone: Linux has one for each.
setPriority(NICENESS);

const { socketPath, job, baseLength, review, isSuccessor } = workerData as ControlSetting;
const jobs = new Jobs(job);
const dirtySet = job.overlay && new SharedDirtySet(job.overlay);
const sampler = new ActivitySampler(job.activity);
const reviewKeeper =
  dirtySet && review && new ReviewKeeper(dirtySet, sampler, review, isSuccessor ? 'now' : 'start');
const engine = callsTo<EngineCommands>(port);
const watchers = new Watchers(engine, jobs, sampler, { dirtySet, baseLength }, reviewKeeper);
const connections = new Set<Connection>();

const server = createServer({ allowHalfOpen: false }, (socket) => {
  const connection = new Connection(socket, watchers);
  connections.add(connection);
  socket.once('close', () => connections.delete(connection));
});
server.maxConnections = MAX_CONNECTIONS;

const commands: ControlCommands = {
  stateChanged: () => watchers.stateChanged(),
  met: (error) => watchers.met(fromPortable(error)),
  async close() {
    server.close();
    await watchers.close();
    for (const connection of connections) connection.end();
    await jobs.close();
    await reviewKeeper?.close();
  },
};
answerCalls(port, commands);

const greet = (greeting: ControlGreeting): void => port.postMessage(greeting);
server.on('error', (error) => greet({ listening: false, reason: describeSystemError(error) }));
server.listen(socketPath, () => greet({ listening: true }));

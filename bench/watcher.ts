import { connect } from 'node:net';
import { ControlClient } from '../src/engine/control/client.js';

/*
 * `node watcher.js SOCKET reads|stalls`: watches an engine 30 times a second until it is killed. One that stalls asks, and
 * then never reads.
 */
const [socketPath = '', how = ''] = process.argv.slice(2);
const params = { rateHz: 30, sendsIdle: true };

if (how === 'stalls') {
  const socket = connect(socketPath, () => {
    socket.write(`${JSON.stringify({ id: 1, method: 'watch', params })}\n`);
    process.stdout.write('watching\n');
  });
} else {
  const client = await ControlClient.connect(socketPath);
  const stream = client.stream('watch', params);
  let isTold = false;
  for await (const _ of stream.batches()) {
    if (!isTold) process.stdout.write('watching\n');
    isTold = true;
  }
}

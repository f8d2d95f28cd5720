import { connect, type NetConnectOpts } from 'node:net';
import { within } from '../until.js';
import type { Talk } from './fuzzedTalk.js';

/** Says everything to a server. Resolves when the connection is over, which a client that says so can rely on. */
export async function talkTo(where: NetConnectOpts, { bytes, cuts, end }: Talk): Promise<void> {
  const socket = connect({ ...where, allowHalfOpen: true } as NetConnectOpts);
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  if (end === 'deaf') socket.pause();
  else socket.resume();
  let at = 0;
  for (const cut of cuts) {
    if (cut > at && !socket.destroyed) {
      // Each piece arrives by itself, as far as that can be.
      await Promise.race([
        new Promise((resolve) => socket.write(bytes.subarray(at, cut), resolve)),
        closed,
      ]);
    }
    at = cut;
    if (end === 'deaf') break;
  }
  if (end === 'close') socket.end();
  else socket.destroy();
  await within('the end of a connection', closed);
}

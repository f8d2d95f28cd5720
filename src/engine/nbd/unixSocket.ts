import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { HexzError } from '../errors.js';

/**
 * Makes sure that a socket can be made at a path: one that nobody listens at any more is removed, if it is ours.
 *
 * @throws HexzError LISTEN_FAILED
 */
export async function clearSocketPath(path: string): Promise<void> {
  if (!existsSync(dirname(path))) throw occupied(path, 'there is no such directory');
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw occupied(path, 'something that is no socket is there');
  if (await isAlive(path)) throw occupied(path, 'somebody listens there already');
  if (stats.uid !== process.getuid?.()) throw occupied(path, 'it belongs to another user');
  unlinkSync(path);
}

/** Whoever listens takes a connection; that he may be too busy for it is life, too. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      answer(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

const occupied = (path: string, problem: string): HexzError =>
  new HexzError('LISTEN_FAILED', problem, {
    location: { file: path },
    hint: 'choose another path for the socket',
  });

import { existsSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addressOf, urlOf } from '../../../src/engine/nbd/address.js';
import { Exports } from '../../../src/engine/nbd/exports.js';
import { NbdServer } from '../../../src/engine/nbd/server.js';
import { codeOfAsync } from '../../support/errors.js';
import { COMMAND, NbdClient } from '../../support/nbd/client.js';
import { expectBytes } from '../../support/nbd/expectBytes.js';
import { servedVolumes } from '../../support/nbd/servers.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { until } from '../../support/until.js';

const newDirectory = temporaryDirectories();
const serve = servedVolumes(newDirectory);
const nothing = new Exports([], undefined);
const options = {
  onBug: (error: unknown) => {
    throw error;
  },
};

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describe('a client that misbehaves', () => {
  test('and takes no replies is not read from, while others are served', async () => {
    const disk = someBytes(1024 * 1024);
    const served = await serve({ disk });
    const lazy = await served.open();
    lazy.socket.pause();
    const before = process.memoryUsage().rss;
    for (let count = 0; count < 400; count++) {
      lazy.sendRequest(COMMAND.read, { length: disk.length });
    }
    const other = await served.open();
    for (let count = 0; count < 20; count++) {
      expectBytes((await other.read(count, 1000)).data, disk.subarray(count, count + 1000));
    }
    // 400 MiB were asked for.
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 ** 2);
    lazy.socket.resume();
    for (let count = 0; count < 20; count++) {
      const { answer } = await lazy.answer();
      expectBytes(answer.chunks[0]?.payload.subarray(8), disk.subarray(0, 256 * 1024));
    }
  });

  test('and vanishes in the middle of a write harms nobody', async () => {
    const disk = someBytes(100_000);
    const served = await serve({ disk, isWritable: true });
    const [gone, other] = [await served.open(), await served.open()];
    gone.sendRequest(COMMAND.write, { length: 5000, payload: Buffer.alloc(4999) });
    gone.close();
    expect((await other.write(9000, Buffer.from('here'))).error).toBe(0);
    expectBytes((await other.read(0, 9000)).data, disk.subarray(0, 9000));
    await until('its end', () => served.server.writerCount === 1);
  });

  test('leaves no descriptor behind', async () => {
    const served = await serve({ disk: someBytes(10_000) });
    const client = await served.open();
    const before = openDescriptors();
    for (let count = 0; count < 50; count++) {
      const other = await served.open();
      other.sendRequest(COMMAND.read, { length: 10_000 });
      if (count % 2 === 0) other.send(Buffer.from('garbage that is no request at all'));
      other.close();
    }
    await until('their end', () => openDescriptors() <= before);
    expect((await client.read(0, 10)).error).toBe(0);
    expect(served.bugs).toEqual([]);
  });

  test('and opens connections without a word does not keep others out', async () => {
    const served = await serve({ disk: someBytes(10_000) });
    const first = await served.open();
    for (let count = 0; count < 70; count++) await served.connect();
    const last = await served.open();
    expect((await last.read(0, 10)).error).toBe(0);
    expect((await first.read(0, 10)).error).toBe(0);
  });
});

test('the end of a server lets everybody go, after what was begun', async () => {
  const served = await serve({ disk: someBytes(10_000), isWritable: true });
  const [idle, silent] = [await served.open(), await served.connect()];
  await idle.write(0, Buffer.from('x'));
  await served.server.close();
  expect(await idle.end()).toHaveLength(0);
  expect(await silent.end()).toHaveLength(18);
});

/** A socket as a server leaves it that was killed. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(path);
  await until('a listener', () => existsSync(path));
  renameSync(path, `${path}.kept`);
  await new Promise((resolve) => server.close(resolve));
  renameSync(`${path}.kept`, path);
}

describe('a Unix socket', () => {
  test('is there for its user alone, and goes with the server', async () => {
    const path = join(newDirectory(), 'nbd.sock');
    const server = await NbdServer.listen({ kind: 'unix', path }, nothing, options);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(server.url).toBe(`nbd+unix:///?socket=${path}`);
    await (await NbdClient.connect({ path })).greet();
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  test('is not taken from somebody who listens there', async () => {
    const path = join(newDirectory(), 'nbd.sock');
    const other = createServer().listen(path);
    await until('a listener', () => existsSync(path));
    expect(
      await codeOfAsync(() => NbdServer.listen({ kind: 'unix', path }, nothing, options)),
    ).toBe('LISTEN_FAILED');
    await (await NbdClient.connect({ path })).close();
    other.close();
  });

  test('takes the place of one that nobody listens at any more', async () => {
    const path = join(newDirectory(), 'nbd.sock');
    await leaveSocket(path);
    const server = await NbdServer.listen({ kind: 'unix', path }, nothing, options);
    await (await NbdClient.connect({ path })).greet();
    await server.close();
  });

  test('does not take the place of a file', async () => {
    const path = join(newDirectory(), 'file');
    writeFileSync(path, 'mine');
    expect(
      await codeOfAsync(() => NbdServer.listen({ kind: 'unix', path }, nothing, options)),
    ).toBe('LISTEN_FAILED');
    expect(statSync(path).size).toBe(4);
  });
});

test('a port that is in use is told of', async () => {
  const first = await NbdServer.listen(
    { kind: 'tcp', host: '127.0.0.1', port: 0 },
    nothing,
    options,
  );
  const port = Number(new URL(first.url).port);
  const second = () => NbdServer.listen({ kind: 'tcp', host: '127.0.0.1', port }, nothing, options);
  expect(await codeOfAsync(second)).toBe('LISTEN_FAILED');
  await first.close();
});

describe('addresses', () => {
  test.each([
    [{}, { kind: 'tcp', host: '127.0.0.1', port: 8080 }, 'nbd://127.0.0.1:8080/'],
    [{ port: 0, bind: '::1' }, { kind: 'tcp', host: '::1', port: 0 }, 'nbd://[::1]:0/'],
    [{ socket: '/run/a b' }, { kind: 'unix', path: '/run/a b' }, 'nbd+unix:///?socket=/run/a%20b'],
  ] as const)('%j', (given, address, url) => {
    expect(addressOf(given, false)).toEqual(address);
    expect(urlOf(address, false)).toBe(url);
  });

  test('that others can reach need TLS', () => {
    expect(() => addressOf({ bind: '0.0.0.0' }, false)).toThrow('TLS');
    expect(urlOf(addressOf({ bind: '0.0.0.0' }, true), true)).toBe('nbds://0.0.0.0:8080/');
  });

  test.each([
    { port: 65_536 },
    { port: 1.5 },
    { bind: 'localhost' },
    { socket: '' },
    { socket: '/x', port: 1 },
    { socket: `/${'x'.repeat(107)}` },
  ])('that are none: %j', (given) => {
    expect(() => addressOf(given, true)).toThrow();
  });
});

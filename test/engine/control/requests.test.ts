import { beforeAll, describe, expect, test } from 'vitest';
import { ControlClient } from '../../../src/engine/control/client.js';
import {
  MAX_REQUEST_BYTES,
  MAX_REQUEST_VALUES,
  MAX_RUNNING_REQUESTS,
  MAX_WATCHES,
  PROTOCOL_VERSION,
} from '../../../src/engine/control/protocol/messages.js';
import type { ReachableEngine } from '../../../src/engine/process/start.js';
import { engines, RawWatcher } from '../../support/engines.js';
import { type BuiltRecipe, builtRecipe } from '../../support/recipes.js';
import { within } from '../../support/until.js';

const all = engines();
let repeated: BuiltRecipe;

beforeAll(async () => {
  repeated = await builtRecipe('repeated');
});

const start = (): Promise<ReachableEngine> => all.start({ snapshot: repeated.snapshot });

/** The engine goes on for others. */
async function expectAlive(engine: ReachableEngine): Promise<void> {
  const client = await all.connect(engine);
  expect((await client.request('state', {})).pid).toBe(engine.pid);
}

/** It says why, and ends the connection. */
async function expectRefused(watcher: RawWatcher, code: string): Promise<void> {
  expect(await watcher.answer()).toMatchObject({ error: { code } });
  await within('the end of the connection', watcher.closed);
}

describe('a line that is no request ends its connection alone:', () => {
  test.each([
    ['no JSON', 'hello'],
    ['half of it', '{"id":1,"method":"state"'],
    ['another value', '[1]'],
    ['null', 'null'],
    ['bytes that are no UTF-8', '{"id":1,"method":"\udcff'],
    ['without a method', { id: 1 }],
    ['a field that is not known', { id: 1, method: 'state', parameters: {} }],
    ['an id that is text', { id: '1', method: 'state' }],
    ['a negative id', { id: -1, method: 'state' }],
    ['an id with a fraction', { id: 1.5, method: 'state' }],
    ['an id beyond integers', '{"id":9007199254740993,"method":"state"}'],
    ['a method with a long name', { id: 1, method: 'x'.repeat(65) }],
    ['two things at once', { cancel: 1, taken: 1 }],
    ['deep nesting', `{"id":1,"method":"state","params":${'['.repeat(60_000)}`],
  ])('%s', async (_name, line) => {
    const engine = await start();
    const watcher = await all.raw(engine);
    watcher.send(line);
    await expectRefused(watcher, 'PROTOCOL');
    await expectAlive(engine);
  });

  test('an id that is in use', async () => {
    const engine = await start();
    const watcher = await all.raw(engine);
    watcher.send({ id: 1, method: 'watch' }, { id: 1, method: 'state' });
    await expectRefused(watcher, 'PROTOCOL');
  });

  test('more values than a message has', async () => {
    const engine = await start();
    const watcher = await all.raw(engine);
    const values = `[${'[],'.repeat(MAX_REQUEST_VALUES)}0]`;
    watcher.send(`{"id":1,"method":"state","params":${values}}`);
    await expectRefused(watcher, 'LIMIT');
    await expectAlive(engine);
  });

  test('more bytes than a message has', { timeout: 60_000 }, async () => {
    const engine = await start();
    const watcher = await all.raw(engine);
    const piece = 'x'.repeat(1024 * 1024);
    for (let bytes = 0; bytes <= MAX_REQUEST_BYTES; bytes += piece.length) {
      watcher.socket.write(piece);
    }
    await within('the end of the connection', watcher.closed);
    await expectAlive(engine);
  });
});

describe('a request that cannot be done is answered, and the connection goes on:', () => {
  test.each([
    ['a method that is not there', { method: 'explode' }, 'USAGE'],
    ['a name of every object', { method: 'constructor' }, 'USAGE'],
    ['the prototype', { method: '__proto__' }, 'USAGE'],
    ['no parameters where some are needed', { method: 'read' }, 'USAGE'],
    ['a parameter of another type', { method: 'read', params: [] }, 'USAGE'],
    ['a parameter that is not known', { method: 'state', params: { verbose: 1 } }, 'USAGE'],
    [
      'an offset beyond integers',
      { method: 'inspect', params: { stream: 'disk', offset: 1e300 } },
      'USAGE',
    ],
    ['a rate that is too high', { method: 'watch', params: { rateHz: 31 } }, 'USAGE'],
    ['a mountpoint that is no path', { method: 'mount', params: { mountpoint: '/a\0b' } }, 'USAGE'],
    ['unmount without a mount', { method: 'unmount' }, 'NOT_MOUNTED'],
  ])('%s', async (_name, request, code) => {
    const watcher = await all.raw(await start());
    watcher.send({ id: 7, ...request });
    expect(await watcher.answer(7)).toMatchObject({ error: { code } });
    watcher.send({ id: 7, method: 'state' });
    expect(await watcher.answer(7)).toHaveProperty('result');
  });

  test('its complaint is short, whatever was sent', async () => {
    const watcher = await all.raw(await start());
    const params = Object.fromEntries(Array.from({ length: 10_000 }, (_, key) => [`k${key}`, 0]));
    watcher.send({ id: 1, method: 'state', params });
    expect(JSON.stringify(await watcher.answer(1)).length).toBeLessThan(1000);
  });

  test('prototypes in parameters', async () => {
    const watcher = await all.raw(await start());
    watcher.send('{"id":1,"method":"state","params":{"__proto__":{"a":1}}}');
    watcher.send('{"id":2,"method":"read","params":{"__proto__":{"stream":"disk"}}}');
    await watcher.answer(1);
    expect(await watcher.answer(2)).toMatchObject({ error: { code: 'USAGE' } });
  });

  test('the largest id, and zero', async () => {
    const watcher = await all.raw(await start());
    for (const id of [Number.MAX_SAFE_INTEGER, 0]) {
      watcher.send({ id, method: 'state' });
      expect(await watcher.answer(id)).toHaveProperty('result');
    }
  });

  test('more requests at once than one connection may have', async () => {
    const watcher = await all.raw(await start());
    const search = { method: 'search', params: { stream: 'disk', pattern: 'x:??' } };
    for (let id = 1; id <= MAX_RUNNING_REQUESTS + 1; id++) watcher.send({ id, ...search });
    expect(await watcher.answer(MAX_RUNNING_REQUESTS + 1)).toMatchObject({
      error: { code: 'LIMIT' },
    });
  });

  test('more subscriptions than anybody needs', async () => {
    const watcher = await all.raw(await start());
    for (let id = 0; id <= MAX_WATCHES; id++) watcher.send({ id, method: 'watch' });
    expect(await watcher.answer(MAX_WATCHES)).toMatchObject({ error: { code: 'LIMIT' } });
    watcher.send({ cancel: 0 });
    expect(await watcher.answer(0)).toMatchObject({ error: { code: 'CANCELLED' } });
    watcher.send({ id: 99, method: 'watch' }, { cancel: 99 });
    expect(await watcher.answer(99)).toMatchObject({ error: { code: 'CANCELLED' } });
  });
});

describe('messages', () => {
  test('come in any pieces, in any number, with empty lines between', async () => {
    const watcher = await all.raw(await start());
    const text =
      '\n\n{"id":1,"method":"state"}\n\n{"id":2,"method":"state"}\n{"taken":1}\n{"cancel":9}\n';
    for (const byte of Buffer.from(text)) watcher.socket.write(Buffer.of(byte));
    await watcher.answer(1);
    await watcher.answer(2);
  });

  test('a long one in many small pieces', async () => {
    const watcher = await all.raw(await start());
    const pattern = 'y'.repeat(70_000);
    const line = JSON.stringify({ id: 1, method: 'search', params: { stream: 'disk', pattern } });
    for (let at = 0; at < line.length; at += 7) watcher.socket.write(line.slice(at, at + 7));
    watcher.send('');
    expect(await watcher.answer(1)).toMatchObject({ error: { code: 'USAGE' } });
  });

  test('begin with a greeting', async () => {
    const engine = await start();
    const watcher = new RawWatcher(engine.socketPath);
    expect(await watcher.next()).toEqual({
      hexz: 'control',
      version: PROTOCOL_VERSION,
      pid: engine.pid,
    });
    watcher.cut();
  });
});

describe('a client', () => {
  test('of an engine that is not there', async () => {
    const path = all.hexz.sandbox.path('nobody.sock');
    await expect(ControlClient.connect(path)).rejects.toMatchObject({ code: 'ENGINE_GONE' });
  });

  test('that was closed, or whose engine has ended, fails what runs and what comes', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const other = await all.connect({ socketPath: (await start()).socketPath });
    const running = [client.request('watch', {}), other.request('watch', {})];
    for (const asked of running) asked.catch(() => {});
    await other.close();
    process.kill(client.pid, 'SIGKILL');
    await within('the end', client.closed);
    for (const asked of [...running, client.request('state', {}), other.request('state', {})]) {
      await expect(asked).rejects.toMatchObject({ code: 'ENGINE_GONE' });
    }
    expect([client.isOpen, other.isOpen]).toEqual([false, false]);
  });

  test('that asks with a signal that was raised already', async () => {
    const { client } = await all.leased({ snapshot: repeated.snapshot });
    const signal = AbortSignal.abort();
    await expect(client.request('watch', {}, { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

import { describe, expect, test } from 'vitest';
import {
  choice,
  contextQuery,
  type NbdClient,
  OPTION,
  REPLY,
  uint32,
} from '../../support/nbd/client.js';
import { expectBytes } from '../../support/nbd/expectBytes.js';
import { servedVolumes } from '../../support/nbd/servers.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';

const serve = servedVolumes(temporaryDirectories());
const disk = someBytes(100_000);

async function greeted(options: Partial<Parameters<typeof serve>[0]> = {}): Promise<NbdClient> {
  const client = await (await serve({ disk, ...options })).connect();
  await client.greet();
  return client;
}

const texts = (replies: readonly { readonly payload: Buffer }[]): string[] =>
  replies.map(({ payload }) => payload.toString('latin1', 4));

describe('the first words', () => {
  test('offer the fixed new style without zeroes', async () => {
    const client = await (await serve({ disk })).connect();
    expect(await client.greet()).toBe(3);
  });

  test('a client that sets a flag which nobody offered is let go', async () => {
    const client = await (await serve({ disk })).connect();
    await client.greet(4);
    expect(await client.end()).toHaveLength(0);
  });
});

describe('choosing an export', () => {
  test('GO tells size, flags and sizes of blocks', async () => {
    const client = await greeted();
    const replies = await client.ask(OPTION.go, choice('disk', [3]));
    expect(replies.map(({ type }) => type)).toEqual([REPLY.info, REPLY.info, REPLY.ack]);
    const [main, blocks] = replies.map(({ payload }) => payload);
    expect(main?.readBigUInt64BE(2)).toBe(100_000n);
    // Read-only, with FLUSH, FUA, several connections and CACHE; fragments only with structured replies.
    expect(main?.readUInt16BE(10)).toBe(0b101_0000_1111);
    expect([2, 6, 10].map((at) => blocks?.readUInt32BE(at))).toEqual([1, 16_384, 32 * 1024 ** 2]);
  });

  test('INFO tells the same and goes on, with name and description to who wants them', async () => {
    const client = await greeted({ isWritable: true });
    const replies = await client.ask(OPTION.info, choice('', [1, 2]));
    expect(replies.slice(2, 4).map(({ payload }) => payload.toString('latin1', 2))).toEqual([
      'disk',
      'for a test',
    ]);
    expect(await client.typesOf(OPTION.go, choice(''))).toContain(REPLY.ack);
  });

  test('EXPORT_NAME is followed by 124 zeros, unless both do without', async () => {
    for (const [flags, length] of [
      [3, 10],
      [1, 134],
      [0, 134],
    ] as const) {
      const client = await (await serve({ disk })).connect();
      await client.greet(flags);
      client.sendOption(OPTION.exportName, Buffer.from('disk'));
      const answer = await client.receive(length);
      expect(answer.readBigUInt64BE(0)).toBe(100_000n);
      expectBytes((await client.read(5, 7)).data, disk.subarray(5, 12));
      client.close();
    }
  });

  test('an unknown name is refused, and the client goes on', async () => {
    const client = await greeted();
    for (const name of ['memory', 'Disk', 'x'.repeat(4096)]) {
      expect(await client.typesOf(OPTION.go, choice(name))).toEqual([REPLY.unknown]);
    }
    expect(await client.typesOf(OPTION.go, choice('disk'))).toContain(REPLY.ack);
  });

  test('an unknown name by EXPORT_NAME ends the connection: there is no other answer', async () => {
    const client = await greeted();
    client.sendOption(OPTION.exportName, Buffer.from('memory'));
    expect(await client.end()).toHaveLength(0);
  });

  test('memory is a second export', async () => {
    const memory = someBytes(5000);
    const client = await greeted({ memory, isWritable: true });
    const names = texts(await client.ask(OPTION.list)).slice(0, 2);
    expect(names).toEqual(['diskfor a test', 'memoryfor a test']);
    await client.choose({ name: 'memory' });
    expect(client.exportLength).toBe(5000);
    expectBytes((await client.read(0, 5000)).data, memory);
    expect((await client.write(0, Buffer.from('x'))).error).toBe(1);
  });
});

describe('other options', () => {
  test('ABORT is acknowledged, and ends the connection', async () => {
    const client = await greeted();
    expect(await client.typesOf(OPTION.abort)).toEqual([REPLY.ack]);
    expect(await client.end()).toHaveLength(0);
  });

  test.each([
    ['one that nobody knows', 4711, Buffer.alloc(10), REPLY.unsupported],
    ['extended headers', 11, Buffer.alloc(0), REPLY.unsupported],
    ['LIST with data', OPTION.list, Buffer.from('x'), REPLY.invalid],
    ['STRUCTURED_REPLY with data', OPTION.structuredReply, Buffer.from('x'), REPLY.invalid],
    ['STARTTLS without TLS', OPTION.startTls, Buffer.alloc(0), REPLY.policy],
    ['GO without data', OPTION.go, Buffer.alloc(0), REPLY.invalid],
    ['GO with a name that is cut', OPTION.go, uint32(9), REPLY.invalid],
    [
      'GO with more than it says',
      OPTION.go,
      Buffer.concat([choice(''), Buffer.alloc(1)]),
      REPLY.invalid,
    ],
    ['GO with a name of no text', OPTION.go, Buffer.from('0000000280ff0000', 'hex'), REPLY.invalid],
    [
      'contexts without structured replies',
      OPTION.setContexts,
      contextQuery('', []),
      REPLY.invalid,
    ],
    [
      'more queries than fit',
      OPTION.listContexts,
      Buffer.from('00000000ffffffff', 'hex'),
      REPLY.invalid,
    ],
    ['more than the limit', OPTION.list, Buffer.alloc(65_537), REPLY.tooBig],
  ])('%s is answered with an error, and the client goes on', async (_, option, data, error) => {
    const client = await greeted();
    expect(await client.typesOf(option, data)).toEqual([error]);
    await client.choose();
    expectBytes((await client.read(0, 10)).data, disk.subarray(0, 10));
  });

  test('one that claims to be gigabytes long ends the connection', async () => {
    const client = await greeted();
    client.sendOption(OPTION.list, Buffer.alloc(0), 0xffff_ffff);
    expect(await client.end()).toHaveLength(0);
  });

  test('what is no option ends the connection', async () => {
    const client = await greeted();
    client.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect(await client.end()).toHaveLength(0);
  });

  test('who asks for ever is let go', async () => {
    const client = await greeted();
    for (let count = 0; count < 1001; count++) client.sendOption(4711);
    expect((await client.end()).length).toBeGreaterThan(0);
  });

  test('who says nothing is let go when his time is over', async () => {
    const { connect } = await serve({ disk, handshakeLimitMilliseconds: 50 });
    const silent = await connect();
    expect((await silent.end()).length).toBe(18);
  });

  test('who has chosen an export may be silent as long as he likes', async () => {
    const served = await serve({ disk, handshakeLimitMilliseconds: 200 });
    const client = await served.open();
    const silent = await served.connect();
    await silent.end();
    expectBytes((await client.read(0, 10)).data, disk.subarray(0, 10));
  });
});

describe('contexts', () => {
  test('are listed whole, by their beginnings, and by name', async () => {
    const client = await greeted({ isWritable: true });
    await client.ask(OPTION.structuredReply);
    const listed = async (...queries: string[]) =>
      texts((await client.ask(OPTION.listContexts, contextQuery('disk', queries))).slice(0, -1));
    const [allocation, dirty] = ['base:allocation', 'qemu:dirty-bitmap:overlay'];
    expect(await listed()).toEqual([allocation, dirty]);
    expect(await listed('base:')).toEqual([allocation]);
    expect(await listed('qemu:dirty-bitmap:')).toEqual([dirty]);
    expect(await listed(dirty)).toEqual([dirty]);
    expect(await listed('qemu:allocation-depth', 'base')).toEqual([]);
  });

  test('without an overlay nothing is dirty, and nothing can be asked about it', async () => {
    const client = await greeted();
    await client.ask(OPTION.structuredReply);
    const replies = await client.ask(
      OPTION.setContexts,
      contextQuery('', ['qemu:dirty-bitmap:overlay']),
    );
    expect(replies.map(({ type }) => type)).toEqual([REPLY.ack]);
  });

  test('those of another export do not count', async () => {
    const client = await greeted({ memory: someBytes(4096) });
    await client.ask(OPTION.structuredReply);
    await client.ask(OPTION.setContexts, contextQuery('memory', ['base:allocation']));
    await client.choose({ name: 'disk' });
    expect((await client.do(7, { length: 4096 })).error).toBe(22);
  });
});

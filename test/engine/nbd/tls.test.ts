import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { loadTls } from '../../../src/engine/nbd/tls.js';
import { codeOf } from '../../support/errors.js';
import { choice, type NbdClient, OPTION, REPLY } from '../../support/nbd/client.js';
import { expectBytes } from '../../support/nbd/expectBytes.js';
import { servedVolumes } from '../../support/nbd/servers.js';
import { requires } from '../../support/requires.js';
import { someBytes } from '../../support/streams.js';
import { temporaryDirectories } from '../../support/temporary.js';
import { within } from '../../support/until.js';

const newDirectory = temporaryDirectories();
const serve = servedVolumes(newDirectory);
const disk = someBytes(700_000);
const KEY = Buffer.alloc(32, 0x5a);

function keyFile(text = `somebody:${KEY.toString('hex')}\n`): string {
  const path = join(newDirectory(), 'keys.psk');
  writeFileSync(path, text);
  return path;
}

/** A certificate that signs itself, and its key. */
function certificate(): { certificate: string; key: string } {
  const directory = newDirectory();
  const paths = { certificate: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  const { certificate: out, key: keyout } = paths;
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-days', '2', ...kind, '-out', out, '-keyout', keyout, ...subject],
    { stdio: 'ignore' },
  );
  return paths;
}

/** Begins TLS as a client does. */
async function startTls(client: NbdClient, options: ConnectionOptions): Promise<void> {
  await client.greet();
  expect(await client.typesOf(OPTION.startTls)).toEqual([REPLY.ack]);
  client.socket.removeAllListeners();
  const secured: TLSSocket = connect({
    socket: client.socket,
    rejectUnauthorized: false,
    ...options,
  });
  const isReady = new Promise<void>((resolve, reject) => {
    secured.once('secureConnect', resolve).once('error', reject).once('close', reject);
  });
  await within('TLS', isReady);
  client.continueOver(secured);
}

const sharedKey = (psk: Buffer): ConnectionOptions => ({
  ciphers: 'PSK',
  maxVersion: 'TLSv1.2',
  checkServerIdentity: () => undefined,
  pskCallback: () => ({ psk, identity: 'somebody' }),
});

describe('with shared keys', () => {
  test('everything goes through TLS, from the beginning', async () => {
    const { connect: connectTo } = await serve({
      disk,
      tls: loadTls({ kind: 'psk', keys: keyFile() }),
    });
    const client = await connectTo();
    await startTls(client, sharedKey(KEY));
    expect(await client.typesOf(OPTION.startTls)).toEqual([REPLY.invalid]);
    await client.choose();
    expectBytes((await client.read(0, disk.length)).data, disk);
  });

  test('a wrong key ends the connection', async () => {
    const {
      connect: connectTo,
      open,
      bugs,
    } = await serve({
      disk,
      tls: loadTls({ kind: 'psk', keys: keyFile() }),
    });
    const client = await connectTo();
    await expect(startTls(client, sharedKey(Buffer.alloc(32)))).rejects.toBeDefined();
    await expect(open()).rejects.toThrow('this server wants TLS');
    expect(bugs).toEqual([]);
  });
});

describe('a server with TLS', () => {
  const tls = () => loadTls({ kind: 'psk', keys: keyFile() });

  test('refuses everything else before', async () => {
    const client = await (await serve({ disk, tls: tls() })).connect();
    await client.greet();
    for (const option of [OPTION.list, OPTION.structuredReply, 4711]) {
      expect(await client.typesOf(option)).toEqual([REPLY.tlsRequired]);
    }
    expect(await client.typesOf(OPTION.go, choice(''))).toEqual([REPLY.tlsRequired]);
    client.sendOption(OPTION.exportName);
    expect(await client.end()).toHaveLength(0);
  });

  test('takes nothing that was said in the clear behind STARTTLS', async () => {
    const client = await (await serve({ disk, tls: tls() })).connect();
    await client.greet();
    const option = Buffer.from('494841564 54f5054 00000005 00000000'.replaceAll(' ', ''), 'hex');
    client.send(option, option);
    expect(await client.end()).toHaveLength(0);
  });

  test('lets go who says no TLS then, and serves on', async () => {
    const { connect: connectTo, bugs } = await serve({ disk, tls: tls() });
    const client = await connectTo();
    await client.greet();
    await client.ask(OPTION.startTls);
    client.send(Buffer.alloc(1000, 0x41));
    await client.end();
    await startTls(await connectTo(), sharedKey(KEY));
    expect(bugs).toEqual([]);
  });
});

describe.runIf(requires('openssl'))('with certificates', () => {
  test('everything goes through TLS', async () => {
    const tls = loadTls({ kind: 'certificate', ...certificate() });
    const client = await (await serve({ disk, tls })).connect();
    await startTls(client, {});
    await client.choose({ isStructured: false });
    expectBytes((await client.read(7, 300_000)).data, disk.subarray(7, 300_007));
  });

  test('only clients with a certificate that was asked for', async () => {
    const mine = certificate();
    const theirs = certificate();
    const tls = loadTls({ kind: 'certificate', ...mine, clientAuthorities: theirs.certificate });
    const { connect: connectTo } = await serve({ disk, tls });
    const { cert, key } = loadTls({ kind: 'certificate', ...theirs });
    const known = await connectTo();
    await startTls(known, { cert, key });
    await known.choose();
    const { cert: wrongCert, key: wrongKey } = loadTls({ kind: 'certificate', ...mine });
    for (const shown of [{}, { cert: wrongCert, key: wrongKey }]) {
      const client = await connectTo();
      const attempt = async () => {
        await startTls(client, shown);
        await client.choose();
      };
      await expect(attempt()).rejects.toBeDefined();
    }
  });
});

describe('files', () => {
  const psk = (text: string) => () => loadTls({ kind: 'psk', keys: keyFile(text) });

  test.each(['', '# nothing\n', 'somebody\n', 'somebody:00\n', `somebody:${'0g'.repeat(16)}\n`])(
    'without a key are refused: %j',
    (text) => {
      expect(codeOf(psk(text))).toBe('BAD_KEY');
    },
  );

  test('that are not there are refused', () => {
    const missing = join(newDirectory(), 'missing');
    expect(codeOf(() => loadTls({ kind: 'psk', keys: missing }))).toBe('UNREADABLE');
  });

  test('that are no certificate are refused', () => {
    const path = keyFile();
    const load = () => loadTls({ kind: 'certificate', certificate: path, key: path });
    expect(codeOf(load)).toBe('BAD_KEY');
  });
});

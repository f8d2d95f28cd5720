import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HexzError } from '../../src/engine/errors.js';
import { Source } from '../../src/repl/language/source.js';
import { JsonReporter, TextReporter } from '../../src/repl/report.js';
import { runLines, runText } from '../../src/repl/script.js';
import type { FakeMethods } from '../support/repl/fakeEngine.js';
import { Collected, newSession, runRepl } from '../support/repl/runRepl.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();

describe('a script', () => {
  test.each([
    ['assert dirty = 4; assert dirty > 3; assert dirty <= 4; assert dirty != 5', undefined, ''],
    ['assert dirty = 3', 'ASSERTION_FAILED', 'it is 4, not 3'],
    ['assert clean', 'ASSERTION_FAILED', 'it is 4, not 0'],
    ["assert bytes disk 0x1000 = 'page 1'", undefined, ''],
    ['assert bytes disk 0 = x:00', 'ASSERTION_FAILED', 'it is x:70, not x:00'],
    ['assert bytes memory 0 != x:00', undefined, ''],
    ['assert bytes memory 0 = x:00', 'ASSERTION_FAILED', 'it is x:--, not x:00'],
    ["assert bytes disk 65535 != 'xx'", 'NOT_PRESENT', 'the disk ends at 0x0001_0000'],
    [`assert hash disk 0 4K = ${'AB'.repeat(32)}`, undefined, ''],
    [`assert hash disk 0 4K != ${'ab'.repeat(32)}`, 'ASSERTION_FAILED', 'not != ab'],
    ['assert length disk = 64K; assert length memory = 64K+0x1000', undefined, ''],
    ['assert length memory = 64K --raw', undefined, ''],
    ['sh exit 0', undefined, ''],
    ['sh exit 7', 'PROGRAM_FAILED', 'the program ended with status 7'],
    ['sh kill $$', 'PROGRAM_FAILED', 'the program ended by SIGTERM'],
    ['dirty | grep -q 0x0000_4000', undefined, ''],
    ['dirty | grep -q nothing', 'PROGRAM_FAILED', 'the program ended with status 1'],
    ['write disk 0 x', 'READ_ONLY', 'writing is off in this session; `set write on` allows it'],
    ['write disk 0', 'USAGE', 'BYTES are missing; or --from FILE, which holds them'],
    ['write disk 0 x --from y', 'USAGE', 'give either BYTES or --from FILE, not both'],
  ])('%s: %s', async (text, code, message) => {
    const run = await runRepl(text);
    expect(run.code).toBe(code);
    if (message === '') expect(run.errors).toBe('');
    else expect(run.errors).toContain(message);
  });

  test('says where the command is that met damage in a file', async () => {
    const location = { file: '/images/web.hxz', stream: 'disk', offset: 8192 } as const;
    const methods: FakeMethods = {
      hash: () => {
        throw new HexzError('CRC', 'the stored bytes are damaged', { location });
      },
    };
    const text = 'set write on\n  hash disk';
    expect((await runRepl(text, { methods })).errors).toBe(
      'hexz: test:2:3: /images/web.hxz: disk stream, offset 8192: the stored bytes are damaged\n',
    );
    const { output } = await runRepl(text, { methods, json: true });
    expect(JSON.parse(output.trim().split('\n').at(-1) ?? '')).toMatchObject({
      error: { code: 'CRC', file: '/images/web.hxz' },
      at: { file: 'test', line: 2, column: 3 },
    });
    // Who has typed it sees it.
    expect((await runRepl(text, { methods, isTyped: true })).errors).not.toContain('test:2');
  });

  test('holds writes for a time, and lets them go on', async () => {
    const session = newSession({ quiesce: () => ({}), resume: () => ({}) });
    const run = await runRepl('quiesce 5s; resume; quiesce; quiesce 11s', { session });
    expect(run.output).toBe(
      'writes are held for 5 s, or until resume\nwrites go on\nwrites are held for 10 s, or until resume\n',
    );
    expect(run.errors).toContain('writes can be held for 1ms to 10s');
    expect(session.client).toMatchObject({
      requests: [
        { method: 'quiesce', params: { milliseconds: 5000 } },
        { method: 'resume' },
        { method: 'quiesce', params: { milliseconds: 10_000 } },
      ],
    });
  });

  test('writes a large file at once, so that the engine looks once for who uses the disk', async () => {
    const file = join(newDirectory(), 'large');
    writeFileSync(file, Buffer.alloc(3 * 1024 ** 2, 7));
    const session = newSession({ write: ({ bytes }) => ({ written: bytes.length }) });
    const { output } = await runRepl(`set write on > /dev/null; write disk 0 --from ${file}`, {
      session,
    });
    expect(output).toContain('3 145 728 bytes');
    const { requests } = session.client as unknown as { requests: { method: string }[] };
    expect(requests.filter(({ method }) => method === 'write')).toHaveLength(1);
  });

  test('does not export less than was asked for', async () => {
    const file = join(newDirectory(), 'end');
    const run = await runRepl(`export disk 64K-1 2 ${file}`);
    expect(run.code).toBe('NOT_PRESENT');
    expect(run.errors).toContain('the disk ends at 0x0001_0000');
    expect(existsSync(file)).toBe(false);
  });

  test.each([
    ["assert found disk 'x' >= 3", 4, undefined],
    ["assert found disk 'x' = 3", 4, undefined],
    ["assert found disk 'x' = 2", 3, 'ASSERTION_FAILED'],
    ["assert found disk 'x' < 3", 4, 'ASSERTION_FAILED'],
  ])('%s looks for no more than it needs to know', async (text, maximum, code) => {
    const session = newSession({
      search: (params) => ({
        batches: [],
        result: { found: Math.min(3, params.maximum ?? 3), searchedBytes: 9 },
      }),
    });
    expect((await runRepl(text, { session })).code).toBe(code);
    expect(session.client).toMatchObject({ requests: [{ params: { maximum } }] });
  });

  test('ends with its first error, and at quit', async () => {
    const run = await runRepl('read disk 0 8\nassert clean\nread disk 0 8', { json: true });
    expect(run.output.trimEnd().split('\n')).toHaveLength(2);
    const quit = await runRepl('quit; assert clean', { json: true });
    expect(quit).toMatchObject({ code: undefined, output: '{"command":"quit","result":{}}\n' });
  });

  test('programs know the mount', async () => {
    const { output } = await runRepl('sh echo "$HEXZ_MOUNT $HEXZ_SNAPSHOT $HEXZ_OVERLAY"', {
      json: true,
    });
    expect(JSON.parse(output)).toMatchObject({
      result: { stdout: '/mnt/web-01 /images/web-01.hxz /images/web-01.overlay\n', status: 0 },
    });
  });

  test('what is shown goes into files', async () => {
    const path = join(newDirectory(), 'a b');
    const { output, session } = await runRepl(
      `dirty > '${path}'\nread disk 0x1000 16 >> '${path}'`,
    );
    expect(output).toBe('');
    const text = readFileSync(path, 'utf8');
    expect(text).toContain('4 dirty pages');
    expect(text).toMatch(/^0x00001000 {2}70 61/m);
    await runRepl(`set format json; dirty > '${path}'`, { session });
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ dirtyPages: 4 });
    const failed = await runRepl(`dirty > '${path}/x'`);
    expect(failed.code).toBe('OUTPUT_FAILED');
  });

  test('an export leaves a file alone that has the name it once wrote under', async () => {
    const path = join(newDirectory(), 'out');
    const other = `${path}.hexz-${process.pid}.tmp`;
    writeFileSync(other, 'not ours');
    expect((await runRepl(`export disk 0 16 '${path}'`)).code).toBeUndefined();
    expect(readFileSync(path)).toHaveLength(16);
    expect(readFileSync(other, 'utf8')).toBe('not ours');
  });

  test('bytes are exported as they are, and holes only where they are wanted', async () => {
    const path = join(newDirectory(), 'out');
    expect((await runRepl(`export disk 4K 8K '${path}'`)).code).toBeUndefined();
    expect(readFileSync(path).toString('latin1', 0, 6)).toBe('page 1');
    expect((await runRepl(`export disk 0 1 '${path}'`)).code).toBe('OUTPUT_EXISTS');
    expect((await runRepl(`export memory 0 2p '${path}' --force`)).code).toBe('UNREADABLE');
    expect(readFileSync(path)).toHaveLength(8192);
    const { output } = await runRepl(`export memory 0 2p '${path}' --force --holes`, {
      json: true,
    });
    expect(JSON.parse(output)).toMatchObject({ result: { length: 8192, absentBytes: 4096 } });
    expect(readFileSync(path).toString('latin1', 4096, 4102)).toBe('page 0');
  });

  test('bytes are written in one request, once that is allowed', async () => {
    const session = newSession({ write: () => ({ written: 1 }) });
    const path = join(newDirectory(), 'in');
    await runRepl(`read disk 0 0 > '${path}'; sh head -c 300000 /dev/zero > '${path}'`, {
      session,
    });
    const run = await runRepl(
      `set write on; write disk 0x10 x:53ef; write disk . --from '${path}'`,
      {
        session,
      },
    );
    expect(run.errors).toBe('');
    const writes = newRequests(session.client, 'write');
    expect(writes).toEqual([16, 18]);
    expect(session.cursors.get('disk')).toBe(300_018);
  });
});

const newRequests = (client: object, method: string): unknown[] =>
  (client as { requests: { method: string; params: { offset?: number } }[] }).requests
    .filter((request) => request.method === method)
    .map(({ params }) => params.offset);

describe('lines that come one by one', () => {
  test('are run as soon as they are complete, until one fails', async () => {
    const output = new Collected();
    const counts: number[] = [];
    async function* lines() {
      for (const line of [
        'hash disk \\',
        '0 4K',
        "find disk 'a",
        "b'",
        'assert clean',
        'hash disk',
      ]) {
        yield line;
        counts.push(output.text.split('\n').length - 1);
      }
    }
    const methods: FakeMethods = {
      search: () => ({ batches: [], result: { found: 0, searchedBytes: 1 } }),
    };
    const { signal } = new AbortController();
    const reporter = new JsonReporter(output);
    const error = await runLines(newSession(methods), lines(), 'stdin', reporter, signal);
    expect(error).toMatchObject({ code: 'ASSERTION_FAILED', location: { line: 5, column: 1 } });
    expect(counts).toEqual([0, 1, 1, 2]);
  });
});

describe('what takes long', () => {
  test('can be cancelled, and so can programs', async () => {
    const controller = new AbortController();
    const running = runRepl('sh sleep 60', { json: true, signal: controller.signal });
    setImmediate(() => controller.abort());
    expect((await running).code).toBe('CANCELLED');
    const waiting = await runRepl('wait 60s', { signal: AbortSignal.abort() });
    expect(waiting.code).toBe('CANCELLED');
  });

  test('stops when whoever reads it has enough', async () => {
    let taken = 0;
    const methods: FakeMethods = {
      strings: () => ({
        batches: (async function* () {
          for (; taken < 1_000_000; taken++) {
            yield [
              { offset: taken, length: 4, encoding: 'ascii' as const, text: 'text', isCut: false },
            ];
          }
        })(),
        result: { found: taken, searchedBytes: 0 },
      }),
    };
    const { output, code } = await runRepl('strings disk | head -2', { methods, json: true });
    expect(code).toBeUndefined();
    expect(JSON.parse(output)).toMatchObject({ result: { status: 0 } });
    expect(taken).toBeLessThan(1_000_000);
  });

  test('a million items are shown without being held', async () => {
    const COUNT = 1_000_000;
    const methods: FakeMethods = {
      dirty: ({ fromPage = 0, limit = 4096 }) => {
        const extents = Array.from(
          { length: Math.min(limit, COUNT - fromPage / 2) },
          (_, index) => ({
            pageIndex: fromPage + index * 2,
            pageCount: 1,
          }),
        );
        const next = fromPage + extents.length * 2;
        const nextPage = next < COUNT * 2 ? next : null;
        return { extents, nextPage, dirtyPages: COUNT, diskLength: COUNT * 8192 };
      },
    };
    for (const json of [false, true]) {
      let longest = 0;
      let lines = 0;
      let items = 0;
      const output = {
        write(text: string): undefined {
          longest = Math.max(longest, text.length);
          lines += text.split('\n').length - 1;
          items += text.split('"pageIndex"').length - 1;
        },
      };
      const session = newSession(methods);
      const reporter = json
        ? new JsonReporter(output)
        : new TextReporter(
            { output, errors: output },
            { isColoured: false, columns: undefined },
            { isTyped: false },
          );
      const { signal } = new AbortController();
      expect(await runText(session, new Source('dirty'), reporter, signal)).toBeUndefined();
      expect([lines, items]).toEqual(json ? [1, COUNT] : [COUNT + 2, 0]);
      expect(longest).toBeLessThan(1024 * 1024);
    }
  });
});

test('an engine that is gone ends a script with its status', async () => {
  const methods: FakeMethods = {
    hash: () => {
      throw new HexzError('ENGINE_GONE', 'the engine cannot be reached');
    },
  };
  const { code, errors } = await runRepl('hash disk', { methods });
  expect([code, errors]).toEqual([
    'ENGINE_GONE',
    'hexz: test:1:1: the engine, process 1, has ended before the session\n',
  ]);
});

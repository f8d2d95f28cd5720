import { describe, expect, test } from 'vitest';
import { jsonOf, runCli } from '../support/cli.js';
import { requires } from '../support/requires.js';
import { temporaryDirectories } from '../support/temporary.js';

const newDirectory = temporaryDirectories();
const NOBODY = 65534;

interface Document {
  readonly canMount: boolean;
  readonly checks: readonly { name: string; state: string; detail: string; remedy?: string }[];
}

const run = async (options: Parameters<typeof runCli>[1] = {}) => {
  const result = await runCli(['doctor', '--json'], options);
  return { ...result, document: jsonOf(result) as unknown as Document };
};

describe.concurrent('doctor', () => {
  test('answers with 0 if mounting can work, else with 6', async () => {
    const { status, stderr, document } = await run();
    expect(stderr).toBe('');
    expect(status).toBe(document.canMount ? 0 : 6);
    const missing = document.checks.filter(({ state }) => state === 'missing');
    if (missing.length === 0) expect(document.canMount).toBe(true);
  });

  test('prints the same as text, with what mends it', async () => {
    const [{ document }, text] = [await run(), await runCli(['doctor'])];
    const lines = text.stdout.toString();
    expect(text.status).toBe(document.canMount ? 0 : 6);
    for (const { name, state, detail, remedy } of document.checks) {
      if (name === 'free space') continue;
      expect(lines).toMatch(new RegExp(`^${state} +${name} `, 'm'));
      expect(lines).toContain(detail);
      if (remedy !== undefined && state !== 'ok') expect(lines).toContain(`-> ${remedy}\n`);
    }
    expect(lines).toMatch(document.canMount ? /can work\.\n$/ : /cannot work\.\n$/);
  });

  test.runIf(requires('root', 'a checkout that everybody can read'))(
    'finds what an ordinary user may not',
    async () => {
      const { status, document } = await run({ uid: NOBODY, env: { TMPDIR: newDirectory() } });
      const device = document.checks.find(({ name }) => name === '/dev/fuse');
      expect(device?.state).toMatch(/^(ok|missing)$/);
      if (device?.state === 'missing') {
        expect(status).toBe(6);
        expect(device.remedy).toMatch(/chmod 666 \/dev\/fuse|modprobe fuse/);
      }
    },
  );

  test('tells its exit status in the help', async () => {
    const { stdout } = await runCli(['doctor', '--help']);
    expect(stdout.toString()).toContain('Exit status: 0 when');
  });
});

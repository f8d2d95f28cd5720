import { describe, expect, test } from 'vitest';
import {
  attachKernelClient,
  detachKernelClient,
  isAttached,
  type RunTool,
} from '../../../src/engine/nbd/kernelClient.js';

/* How a device is attached is seen in a guest, whose kernel has some: test/guest. */

const REMARK =
  'Warning: the oldstyle protocol is no longer supported. ' +
  'This method now uses the newstyle protocol with a default export';

const ending =
  (status: number | null, output: string, complaint: string): RunTool =>
  () =>
    Promise.resolve({ status, output, complaint });

describe('attaching', () => {
  test('names the socket, and leaves the choice of a device to the kernel', async () => {
    const calls: unknown[] = [];
    const run: RunTool = (program, parameters) => {
      calls.push([program, ...parameters]);
      return Promise.resolve({ status: 1, output: '', complaint: '' });
    };
    await expect(attachKernelClient('/run/a.nbd', run)).rejects.toThrow();
    expect(calls).toEqual([['nbd-client', '-unix', '/run/a.nbd']]);
  });

  test.each([
    [
      'why it failed',
      ending(1, '', `${REMARK} Error: Failed to setup device, check dmesg Exiting.`),
      'Failed to setup device, check dmesg',
    ],
    ['that it said nothing', ending(1, '', ''), 'it does not say why'],
    ['that it did not end', ending(null, 'Negotiation: ..', ''), 'Negotiation: ..'],
    ['what is no device', ending(0, 'Connected /dev/sda\n', ''), 'Connected /dev/sda'],
  ])('tells %s', async (_what, run, reason) => {
    await expect(attachKernelClient('/run/a.nbd', run)).rejects.toMatchObject({
      code: 'MOUNT_FAILED',
      message: `nbd-client attached no device: ${reason}`,
    });
  });
});

test('a device that is not attached any more is left alone', async () => {
  const gone = { path: '/dev/nbd65000', clientPid: 1 };
  expect(isAttached(gone)).toBe(false);
  await detachKernelClient(gone, () => {
    throw new Error('nothing is to be run');
  });
});

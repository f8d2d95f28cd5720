import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { HexzError } from '../errors.js';
import { type Check, readIfPresent } from '../fuse/requirements.js';
import { findProgram } from '../programs.js';
import { ADMINISTRATOR_DIRECTORIES, findTool, isRoot, runAsRoot } from './rootTool.js';

const MODULE = '/sys/module/nbd';

/** What attaching an NBD device needs of the machine, for people to read. Mounting with FUSE needs none of it. */
export const nbdRequirements = (): readonly Check[] => [checkModule(), checkClient()];

/**
 * Checks that this machine and this user can attach a device, and loads the kernel's module if it is not there. It is to
 * be called before anything is made for a mount.
 *
 * @throws HexzError NBD_UNAVAILABLE naming what is missing and what mends it
 */
export async function prepareNbd(): Promise<void> {
  if (!isRoot()) findTool('sudo');
  for (const program of ['nbd-client', 'blkid', 'mount', 'umount']) findTool(program);
  if (existsSync(MODULE)) return;
  const { status, complaint } = await runAsRoot('modprobe', ['nbd']);
  if (status === 0 && existsSync(MODULE)) return;
  const reason = complaint || 'modprobe does not say why';
  throw new HexzError('NBD_UNAVAILABLE', `the module nbd is not loaded, and cannot be: ${reason}`, {
    hint: checkModule().remedy,
  });
}

function checkClient(): Check {
  const name = 'nbd-client';
  const path = findProgram(name, ADMINISTRATOR_DIRECTORIES);
  if (path !== undefined) return { name, state: 'ok', detail: `is ${path}` };
  return {
    name,
    state: 'warning',
    detail: 'is not installed; mount --nbd needs it',
    remedy: 'apt install nbd-client',
  };
}

function checkModule(): Check {
  const name = 'nbd module';
  if (existsSync(MODULE)) return { name, state: 'ok', detail: 'is in the kernel' };
  const modules = join('/lib/modules', release());
  const known = ['modules.dep', 'modules.builtin'].map((file) =>
    readIfPresent(join(modules, file)),
  );
  const isInstalled = known.some((text) => /\/nbd\.ko\b/.test(text));
  return {
    name,
    state: 'warning',
    detail: isInstalled
      ? 'is not loaded; mount --nbd needs it'
      : 'is not with this kernel; mount --nbd needs it',
    remedy: isInstalled
      ? 'modprobe nbd (as root)'
      : 'a kernel with the nbd module, then modprobe nbd',
  };
}

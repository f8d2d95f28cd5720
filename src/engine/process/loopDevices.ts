import { readdirSync, readFileSync } from 'node:fs';
import { findProgram } from '../programs.js';
import { withoutMark } from './openFiles.js';
import { spawnApart } from './spawnApart.js';

/** A loop device that has a file. */
export interface LoopDevice {
  readonly device: string;
  /** Of its file, as the mounts of whoever set it up show it: in another mount namespace it may mean nothing, or another file. */
  readonly path: string;
  /** Which file it is, wherever it was opened; undefined where we may not be told. */
  readonly file: { readonly deviceNumber: string; readonly inode: number } | undefined;
}

const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin'];
const LIMIT_MILLISECONDS = 5000;
const MAX_OUTPUT_LENGTH = 1024 ** 2;

/**
 * The loop devices of the machine. The kernel shows the paths of their files to everybody; which files they are, it tells
 * only who may open the devices: `losetup` asks it.
 */
export async function listLoopDevices(): Promise<readonly LoopDevice[]> {
  const devices = devicesWithFile();
  if (devices.length === 0) return [];
  const files = parseFiles(await askLosetup());
  return devices.map((device) => ({ ...device, file: files.get(device.device) }));
}

function devicesWithFile(): { device: string; path: string }[] {
  try {
    return readdirSync('/sys/block')
      .filter((name) => /^loop\d+$/.test(name))
      .map((name) => ({ device: `/dev/${name}`, path: backingFile(name) }))
      .filter(({ path }) => path !== '');
  } catch {
    // No sysfs here.
    return [];
  }
}

function backingFile(name: string): string {
  try {
    const path = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8');
    return withoutMark(path.replace(/\n$/, ''));
  } catch {
    return '';
  }
}

/** Lines are `NAME MAJOR:MINOR INODE`; losetup pads the numbers of the device with blanks, and escapes these. */
function parseFiles(text: string): ReadonlyMap<string, LoopDevice['file']> {
  const lines = text.replaceAll('\\x20', ' ').split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [, device = '', deviceNumber = '', inode] =
        /^(\S+) +(\d+:\d+) +(\d+)$/.exec(line.trim()) ?? [];
      return inode === undefined ? [] : [[device, { deviceNumber, inode: Number(inode) }]];
    }),
  );
}

/** What it prints; nothing where it cannot be run, or where the file of a device lies in a mount that hangs. */
function askLosetup(): Promise<string> {
  const program = findProgram('losetup', SYSTEM_DIRECTORIES);
  if (program === undefined) return Promise.resolve('');
  const columns = 'NAME,BACK-MAJ:MIN,BACK-INO';
  const parameters = ['--list', '--raw', '--noheadings', '--output', columns];
  const child = spawnApart(program, parameters, ['ignore', 'pipe', 'ignore']);
  let output = '';
  child.stdout?.on('data', (text: Buffer) => {
    if (output.length < MAX_OUTPUT_LENGTH) output += text;
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      // Not even a signal may end it, as long as that mount does not answer: it is not waited for.
      child.kill('SIGKILL');
      child.stdout?.destroy();
      child.unref();
      resolve('');
    }, LIMIT_MILLISECONDS);
    const finish = (): void => {
      clearTimeout(timer);
      resolve(output);
    };
    child.on('error', finish);
    child.on('close', finish);
  });
}

import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMountTable } from '../../src/engine/process/mountTable.js';
import { runTool } from './tools.js';
import { until } from './until.js';

/**
 * A directory with a run-time and a temporary directory in it, for one test: registry, logs and temporary
 * overlays of what runs in it are its own.
 *
 * Whatever a test starts belongs to the sandbox by what the kernel tells of it, however the test ends: a
 * process by its environment, a mount by its mountpoint, a loop device by its file.
 */
export class Sandbox {
  /** Real path. */
  readonly directory: string;
  /** For the processes of the test. */
  readonly environment: Readonly<Record<'XDG_RUNTIME_DIR' | 'TMPDIR', string>>;
  #directoryCount = 0;

  constructor() {
    this.directory = mkdtempSync(join(realpathSync(tmpdir()), 'hexz-e2e-'));
    // Tests may act as another user.
    chmodSync(this.directory, 0o755);
    this.environment = {
      XDG_RUNTIME_DIR: this.newDirectory('run'),
      TMPDIR: this.newDirectory('tmp'),
    };
    chmodSync(this.environment.XDG_RUNTIME_DIR, 0o700);
    chmodSync(this.environment.TMPDIR, 0o1777);
  }

  path(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  /** An empty directory. */
  newDirectory(name = `directory-${++this.#directoryCount}`): string {
    const path = this.path(name);
    mkdirSync(path);
    return path;
  }

  /** Names in the temporary directory. */
  temporaryFiles(): readonly string[] {
    return readdirSync(this.environment.TMPDIR);
  }

  /** Processes that run in it now, zombies left out. */
  processes(): readonly number[] {
    const marks = Object.entries(this.environment).map(([name, value]) => `${name}=${value}\0`);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid)
      .filter((pid) => marks.some((mark) => environmentOf(pid).includes(mark)));
  }

  /** Mountpoints in it, the innermost first. */
  mountpoints(): readonly string[] {
    return readMountTable()
      .map(({ mountpoint }) => mountpoint)
      .filter((mountpoint) => mountpoint.startsWith(`${this.directory}/`))
      .reverse();
  }

  /** Loop devices over files in it. */
  loopDevices(): readonly string[] {
    return readdirSync('/sys/block')
      .filter((name) => /^loop\d+$/.test(name))
      .filter((name) => backingFile(name).startsWith(`${this.directory}/`))
      .map((name) => `/dev/${name}`);
  }

  /** Ends everything and removes it. Killed engines fail what waits for them, so nothing here hangs. */
  async sweep(): Promise<void> {
    await until('the end of all processes', () => {
      for (const pid of this.processes()) kill(pid);
      return this.processes().length === 0;
    });
    await until('the end of all mounts', () => {
      for (const mountpoint of this.mountpoints()) {
        if (!runTool('umount', '-i', '-c', '-l', mountpoint)) {
          runTool('fusermount', '-uz', mountpoint);
        }
      }
      return this.mountpoints().length === 0;
    });
    await until('the end of all loop devices', () => {
      for (const device of this.loopDevices()) runTool('losetup', '--detach', device);
      return this.loopDevices().length === 0;
    });
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    // It has ended, or is another user's.
    return '';
  }
}

function backingFile(name: string): string {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8');
  } catch {
    // It has none.
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}

import { afterEach, beforeEach } from 'vitest';
import { identifyProcess } from '../../src/engine/process/processes.js';
import type { EngineEntry } from '../../src/engine/process/registry.js';
import { temporaryDirectories } from './temporary.js';

/** For the top of a test file: gives each test a registry of its own. */
export function ownRegistry(): void {
  const newDirectory = temporaryDirectories();
  const inherited = process.env.XDG_RUNTIME_DIR;
  beforeEach(() => {
    process.env.XDG_RUNTIME_DIR = newDirectory();
  });
  afterEach(() => {
    if (inherited === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = inherited;
  });
}

/** What a running process would register. */
export function entryOf(pid: number, changes: Partial<EngineEntry> = {}): EngineEntry {
  const identity = identifyProcess(pid);
  if (identity === undefined) throw new Error(`no process ${pid}`);
  return {
    ...identity,
    mountpoint: '/nowhere',
    snapshot: '/snapshots/disk.hxz',
    mode: 'ro',
    overlay: null,
    isTemporaryOverlay: false,
    backend: 'fuse-native',
    device: null,
    nbd: [],
    startedAt: new Date().toISOString(),
    dirtyBytes: 0,
    lease: 'mount',
    control: null,
    ...changes,
  };
}

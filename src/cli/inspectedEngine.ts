import { existsSync } from 'node:fs';
import { ControlClient } from '../engine/control/client.js';
import { asHexzError, type HexzCode, HexzError } from '../engine/errors.js';
import { describeDiskUser, findDiskUsers } from '../engine/process/diskUsers.js';
import { flushMachine } from '../engine/process/flushMachine.js';
import { mountAt, readMountTable } from '../engine/process/mountTable.js';
import { endsWithin, identifyProcess, type ProcessIdentity } from '../engine/process/processes.js';
import { findEngine, startEngine, type WatchedEngine } from '../engine/process/start.js';
import { sweepEngine, sweepKilledInspections } from '../engine/process/sweep.js';
import type { ReadOptions } from './arguments.js';
import { printable } from './output.js';

/** Says lines about an engine. */
interface Tell {
  readonly warning: (line: string) => void;
  /** Of one that its mount has met. */
  readonly error: (line: string) => void;
}

/** What an engine is started with. */
export interface EngineOptions extends ReadOptions {
  readonly rw?: boolean;
  readonly overlay?: string;
  readonly mount: boolean;
  readonly allowOther?: boolean;
  readonly backend?: string;
  readonly force?: boolean;
  readonly nbd?: boolean;
  readonly partition?: number;
}

/** How long those who use the mount have to end. */
const USERS_LIMIT_MS = 10_000;
/** How long an engine that nobody uses may take before it is looked whether somebody does. */
const GRACE_MS = 1000;
/** How long it may flush after that. */
const FLUSH_LIMIT_MS = 60_000;
const MAX_NAMED = 5;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * An engine that is inspected, and what is to be done about it in the end.
 *
 *   engine                            `end`
 *   started here, or an orphan taken  unmounts and ends it; sweeps what it left if it was killed
 *   of others                         leaves it alone
 *
 * Programs that still use the mount have ten seconds to end, and what the kernel keeps is flushed meanwhile. Then the mount is
 * taken from them, which is an error: what they had not written yet is lost.
 *
 * State: `keepsOverlay` and `waitsForUsers` are decided by how the session ends.
 */
export class InspectedEngine {
  readonly client: ControlClient;
  /** Whether it ends with the session. */
  readonly isOurs: boolean;
  /** Why nothing is mounted, although that was wanted. */
  readonly mountProblem: HexzError | undefined;
  /** Whether a temporary overlay with changes stays. */
  keepsOverlay = false;
  /** Whether those who use the mount have time to end. */
  waitsForUsers = true;
  /** Undefined when it has ended before anybody looked. */
  readonly #identity: ProcessIdentity | undefined;
  readonly #started: WatchedEngine | undefined;
  /** What others left goes meanwhile. */
  readonly #swept = sweepKilledInspections().catch(() => {});

  /**
   * A person at a terminal who named no mountpoint gets an engine without a mount where the machine cannot mount.
   *
   * @param options.passwords that open the snapshot
   * @param tell says a line about the engine
   * @throws HexzError of the snapshot, the overlay, the mount
   */
  static async start(
    path: string,
    mountpoint: string | undefined,
    options: EngineOptions & { readonly passwords: readonly string[] },
    lease: 'bound' | 'terminal',
    tell: Tell = { warning: say, error: say },
  ): Promise<InspectedEngine> {
    const {
      passwords,
      overlay,
      cacheSize,
      backend,
      partition,
      rw = false,
      allowOther = false,
      force = false,
      nbd = false,
    } = options;
    const { engine, mountProblem } = await startWhereItCan(
      (isMounted) =>
        startReporting(tell.error, {
          snapshot: path,
          mountpoint,
          hasTemporaryMountpoint: mountpoint === undefined && isMounted,
          ...(overlay === undefined ? {} : { overlay }),
          ...(cacheSize === undefined ? {} : { cacheSize }),
          ...(backend === undefined ? {} : { backend }),
          ...(partition === undefined ? {} : { partition }),
          asDevice: nbd,
          rw,
          allowOther,
          force,
          passwords,
          parentDirectories: options.parentDir ?? [],
        }),
      { isMounted: options.mount, canDoWithout: mountpoint === undefined && lease === 'terminal' },
    );
    for (const warning of engine.warnings) tell.warning(`warning: ${warning}`);
    const client = await ControlClient.connect(engine.socketPath);
    await client.request('lease', { kind: lease });
    return new InspectedEngine(client, true, engine, mountProblem);
  }

  /**
   * Connects to a running one. One whose terminal was lost has a new one then, which ends it.
   *
   * @throws HexzError NOT_MOUNTED, ENGINE_GONE
   */
  static async attach(mountpoint: string, isTyped: boolean): Promise<InspectedEngine> {
    const client = await ControlClient.connect(findEngine(mountpoint).socketPath);
    const { lease } = await client.request('state', {});
    const adopts = isTyped && lease === 'orphaned';
    if (adopts) await client.request('lease', { kind: 'terminal' });
    return new InspectedEngine(client, adopts);
  }

  private constructor(
    client: ControlClient,
    isOurs: boolean,
    started?: WatchedEngine,
    mountProblem?: HexzError,
  ) {
    this.client = client;
    this.isOurs = isOurs;
    this.mountProblem = mountProblem;
    this.#started = started;
    this.#identity = identifyProcess(client.pid);
  }

  /**
   * Ends it if it is ours, and removes what it could not remove itself.
   *
   * @returns its exit status: other than 0 when it could not close its overlay, which it has said
   * @throws HexzError MOUNT_BUSY when the mount was taken from those who use it, ENGINE_GONE when it was killed,
   *   UNMOUNT_FAILED
   */
  async end(): Promise<number> {
    try {
      if (!this.isOurs) return 0;
      if (this.client.isOpen) await this.#shutDown();
      return await this.#sweep();
    } finally {
      await this.#swept;
      await this.client.close();
    }
  }

  async #shutDown(): Promise<void> {
    const state = await this.#unlessGone(this.client.request('state', {}));
    const mountpoint = state?.mount?.mountpoint;
    // Those who use it are found by its device, also when it is in the table of mounts no more.
    const mount = mountpoint === undefined ? undefined : mountAt(mountpoint, readMountTable());
    const problem = await this.#endUnused(async () => {
      const users = mount === undefined ? [] : await findDiskUsers(mount);
      const who = users.slice(0, MAX_NAMED).map(describeDiskUser).join(', ');
      return new HexzError('MOUNT_BUSY', `it is in use: ${who || 'programs have files open'}`, {
        location: { file: mountpoint },
      });
    });
    const { keepsOverlay } = this;
    if (problem !== undefined) {
      await this.#unlessGone(this.client.request('shutdown', { isLazy: true, keepsOverlay }));
    }
    const { overlay } = state ?? {};
    if (this.#identity !== undefined && !(await endsWithin(this.#identity, FLUSH_LIMIT_MS))) {
      throw new HexzError(
        'UNMOUNT_FAILED',
        'the engine has not ended: it still flushes, or hangs',
        {
          location: { file: mountpoint },
          hint: 'hexz status lists it; wait for it before you use the overlay',
        },
      );
    }
    if (keepsOverlay && overlay?.isTemporary === true && existsSync(overlay.path)) {
      // The terminal may be gone: the engine has written it to the log, too.
      say(`the overlay is kept: ${overlay.path}`);
    }
    if (problem !== undefined) throw takenAway(problem);
  }

  /**
   * Asks it to end until nobody uses it any more.
   *
   * @param inUse says who uses what is unmounted already, and is still used by those who came to it elsewhere
   * @returns why it did not end in time; it goes on then
   */
  async #endUnused(inUse: () => Promise<HexzError>): Promise<HexzError | undefined> {
    const deadline = performance.now() + (this.waitsForUsers ? USERS_LIMIT_MS : 0);
    const hurry = new Signals();
    try {
      for (let isTold = false; ; isTold = true) {
        const busy = await this.#tryToEnd();
        if (busy === undefined && (await this.#isEnding())) return undefined;
        const problem = busy ?? (await inUse());
        if (hurry.isWanted || performance.now() > deadline) return problem;
        if (isTold) continue;
        const seconds = USERS_LIMIT_MS / 1000;
        say(`${problem.toLine()}; waiting ${seconds} s for that to end (Ctrl+C: take it away now)`);
        void flushMachine(USERS_LIMIT_MS);
      }
    } finally {
      hurry.end();
    }
  }

  /** Answers why it goes on. */
  async #tryToEnd(): Promise<HexzError | undefined> {
    const { keepsOverlay } = this;
    try {
      await this.#unlessGone(this.client.request('shutdown', { keepsOverlay }));
      return undefined;
    } catch (error) {
      if (isCode(error, 'MOUNT_BUSY')) return error;
      throw error;
    }
  }

  /** It has no mount any more, or has hung up, when the last one who used it has gone. */
  async #isEnding(): Promise<boolean> {
    if (this.#identity !== undefined) await endsWithin(this.#identity, GRACE_MS);
    const state = await this.#unlessGone(this.client.request('state', {}));
    return state === undefined || state.mount === null;
  }

  /** The engine may be gone before its answer is here. */
  async #unlessGone<Result>(asked: Promise<Result>): Promise<Result | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (isCode(error, 'ENGINE_GONE')) return undefined;
      throw error;
    }
  }

  async #sweep(): Promise<number> {
    if (this.#started === undefined) {
      if (this.#identity !== undefined) await sweepEngine(this.#identity, undefined);
      return 0;
    }
    await this.#started.sweep();
    const status = await this.#started.exitStatus();
    if (status !== null) return status;
    throw new HexzError('ENGINE_GONE', `the engine, process ${this.client.pid}, was killed`, {
      hint: 'its mount was taken away; what programs had written is in the overlay, if one was named',
    });
  }
}

/** What stands between a machine, or a user, and any mount. */
const MOUNT_PROBLEMS: readonly HexzCode[] = [
  'FUSE_UNAVAILABLE',
  'NBD_UNAVAILABLE',
  'MOUNT_FAILED',
  'MOUNTPOINT_UNUSABLE',
];

async function startWhereItCan(
  start: (isMounted: boolean) => Promise<WatchedEngine>,
  { isMounted, canDoWithout }: { isMounted: boolean; canDoWithout: boolean },
): Promise<{ engine: WatchedEngine; mountProblem?: HexzError }> {
  try {
    return { engine: await start(isMounted) };
  } catch (error) {
    if (!isMounted || !canDoWithout || !(error instanceof HexzError)) throw error;
    if (!MOUNT_PROBLEMS.includes(error.code)) throw error;
    return { engine: await start(false), mountProblem: error };
  }
}

/** What an engine meets is told at once when it serves; before, it may be what it fails with, which is told once. */
async function startReporting(
  tell: (line: string) => void,
  options: Parameters<typeof startEngine>[0],
): Promise<WatchedEngine> {
  const report = (error: HexzError): void => tell(error.toLine());
  const early: HexzError[] = [];
  let take = (error: HexzError): void => void early.push(error);
  try {
    const engine = await startEngine({ ...options, onError: (error) => take(error) });
    early.forEach(report);
    take = report;
    return engine;
  } catch (error) {
    const failure = asHexzError(error).toLine();
    early.filter((met) => met.toLine() !== failure).forEach(report);
    throw error;
  }
}

/** What makes us hurry. */
class Signals {
  isWanted = false;
  readonly #onSignal = (): void => {
    this.isWanted = true;
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  end(): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#onSignal);
  }
}

const takenAway = ({ code, message, location }: HexzError): HexzError =>
  new HexzError(code, `the mount was taken away although ${message}`, {
    location,
    hint: 'what that had not written yet is lost; end it before the session ends',
  });

const isCode = (error: unknown, code: HexzCode): error is HexzError =>
  error instanceof HexzError && error.code === code;

const say = (text: string): void => {
  process.stderr.write(`hexz: ${printable(text)}\n`);
};

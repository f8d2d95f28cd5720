import type { ActivitySampler } from '../activity/sampler.js';
import { HexzError, toPortable } from '../errors.js';
import type { Callable } from './calls.js';
import { Clocks } from './clocks.js';
import type { EngineCommands, ServedState } from './commands.js';
import type { Connection, RequestHandler, RequestOutput, RunningRequest } from './connection.js';
import { lengthOf, listDirty, type ServedDisk } from './dirty.js';
import type { JobKind, Jobs } from './jobs.js';
import { occupancyOf } from './occupancy.js';
import type { EngineState } from './protocol/engineState.js';
import { MAX_WATCHES } from './protocol/messages.js';
import {
  isMethodName,
  type MethodName,
  methods,
  type Params,
  type Result,
} from './protocol/methods.js';
import type { ReviewKeeper } from './reviewKeeper.js';
import { commitRequest, selectionRequest } from './reviewRequests.js';
import { sharedCall } from './sharedCall.js';
import { type LogLine, Watch } from './watch.js';

/** Methods that a job thread answers at once, if no container has to be understood for them. */
const SHORT_JOBS = new Set<MethodName>(['read', 'inspect', 'block', 'blocks', 'info']);
/** Longer complaints about parameters are cut: they may repeat what was sent. */
const MAX_COMPLAINT_LENGTH = 300;
/** How long the end waits for answers that the serving thread owes. */
const ANSWER_LIMIT_MS = 1000;
/** What was said is kept for those who come later. */
const MAX_LOG_LINES = 200;

/** How a method is answered that is no job. */
type Answer<Name extends MethodName> = (
  params: Params<Name>,
  connection: Connection,
) => Promise<Result<Name>>;

interface WriteHolder {
  readonly connection: Connection;
  /** Lets writes go on when their time is over. */
  readonly timer: NodeJS.Timeout;
  /** What the serving thread calls its hold. */
  readonly hold: Promise<number>;
  /** Resolves when they are held, and what was written before is on the disk. */
  readonly held: Promise<void>;
}

type AnyAnswer = (params: unknown, connection: Connection) => Promise<unknown>;

/**
 * What all watchers of an engine share: they ask it for what its own thread must do, have jobs done, and are told of
 * changes.
 *
 * State: which connection holds the lease (`#leaseHolder`), which one holds writes, and what the serving thread was
 * asked and has not answered (`#asked`). From `close` on nothing more is asked, and no end of a connection means anything.
 */
export class Watchers implements RequestHandler {
  readonly #engine: Callable<EngineCommands>;
  readonly #jobs: Jobs;
  readonly #sampler: ActivitySampler;
  readonly #disk: ServedDisk;
  /** Undefined without an overlay. */
  readonly #review: ReviewKeeper | undefined;
  readonly #watches = new Map<Watch, Connection>();
  readonly #clocks: Clocks;
  readonly #log: LogLine[] = [];
  readonly #asked = new Set<Promise<unknown>>();
  #isClosed = false;
  #leaseHolder:
    | { readonly connection: Connection; readonly kind: 'bound' | 'terminal' }
    | undefined;
  #writeHolder: WriteHolder | undefined;
  readonly #connections = new Set<Connection>();
  /** The thread that serves the mount is asked one after the other, however many watchers ask. */
  readonly #servedState: () => Promise<ServedState>;
  readonly #sync: () => Promise<void>;

  constructor(
    engine: Callable<EngineCommands>,
    jobs: Jobs,
    sampler: ActivitySampler,
    disk: ServedDisk,
    review: ReviewKeeper | undefined,
  ) {
    this.#review = review;
    this.#disk = disk;
    this.#sampler = sampler;
    this.#clocks = new Clocks(sampler, () => ({
      dirtyPages: disk.dirtySet?.listedPageCount ?? 0,
      diskLength: lengthOf(disk),
    }));
    this.#engine = engine;
    this.#servedState = sharedCall(() => engine.state());
    this.#sync = sharedCall(() => engine.sync());
    this.#jobs = jobs;
  }

  run(name: string, given: unknown, output: RequestOutput, connection: Connection): RunningRequest {
    if (this.#isClosed) throw new HexzError('ENGINE_GONE', 'the engine is ending');
    this.#connections.add(connection);
    if (!isMethodName(name))
      throw new HexzError('USAGE', `there is no method ${name.slice(0, 64)}`);
    const parsed = methods[name].params.safeParse(given ?? {});
    if (!parsed.success) throw new HexzError('USAGE', `${name}: ${firstIssue(parsed.error)}`);
    if (name === 'watch') {
      return this.#watch(parsed.data as Params<'watch'>, output, connection);
    }
    if (name === 'selection') return selectionRequest(this.#theReview, output);
    if (name === 'commit' || name === 'planCommit') {
      return commitRequest({
        method: name,
        params: parsed.data as Params<'commit'>,
        engine: this.#engine,
        review: this.#theReview,
        run: (params) => this.#jobs.run(name, params, output, 'long', connection),
      });
    }
    const answer = (this.#answers as Readonly<Record<string, AnyAnswer>>)[name];
    if (answer === undefined) {
      return this.#jobs.run(name, parsed.data, output, kindOf(name, parsed.data), connection);
    }
    const result = answer(parsed.data, connection);
    this.#asked.add(result);
    const isAnswered = (): boolean => this.#asked.delete(result);
    result.then(isAnswered, isAnswered);
    return { result: result.then((value) => JSON.stringify(value)), taken() {}, cancel() {} };
  }

  ended(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#isClosed) return;
    if (this.#writeHolder?.connection === connection) unheard(this.#releaseWrites());
    this.#endLease(connection);
  }

  #endLease(connection: Connection): void {
    if (this.#leaseHolder?.connection !== connection) return;
    const { kind } = this.#leaseHolder;
    this.#leaseHolder = undefined;
    if (kind === 'terminal') unheard(this.#engine.setLease('orphaned'));
    else unheard(this.#engine.shutdown(true, false));
  }

  /** Lets watchers have what was asked for before: the engine is ending, perhaps because one of them said so. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#writeHolder?.timer);
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise((resolve) => {
      timer = setTimeout(resolve, ANSWER_LIMIT_MS);
    });
    await Promise.race([Promise.allSettled(this.#asked), limit]);
    clearTimeout(timer);
  }

  async stateChanged(): Promise<void> {
    if (this.#watches.size === 0) return;
    const state = await this.#state();
    for (const watch of this.#watches.keys()) watch.state(state);
  }

  met(error: HexzError): void {
    const line = {
      time: Date.now(),
      level: 'error' as const,
      text: error.toLine(),
      code: error.code,
      error: toPortable(error),
    };
    this.#log.push(line);
    if (this.#log.length > MAX_LOG_LINES) this.#log.shift();
    for (const watch of this.#watches.keys()) watch.log(line);
  }

  #watch(params: Params<'watch'>, output: RequestOutput, connection: Connection): RunningRequest {
    const own = [...this.#watches.values()].filter((watcher) => watcher === connection);
    if (own.length >= MAX_WATCHES) {
      throw new HexzError('LIMIT', `${MAX_WATCHES} subscriptions are running already`);
    }
    const watch = new Watch(params, this.#sampler.cursor(params.since), output);
    if (params.since === 'start') for (const line of this.#log) watch.log(line);
    this.#watches.set(watch, connection);
    this.#clocks.add(params.rateHz, watch);
    watch.result.catch(() => {
      this.#watches.delete(watch);
      this.#clocks.remove(params.rateHz, watch);
    });
    unheard(this.#state().then((state) => watch.state(state)));
    return watch;
  }

  async #holdWrites(connection: Connection, milliseconds: number): Promise<void> {
    this.#checkWriteHolder(connection);
    const hold = this.#writeHolder?.hold ?? this.#engine.hold();
    const held = this.#writeHolder?.held ?? hold.then(() => this.#engine.sync());
    clearTimeout(this.#writeHolder?.timer);
    const timer = setTimeout(() => unheard(this.#releaseWrites()), milliseconds);
    this.#writeHolder = { connection, timer, hold, held };
    try {
      await held;
    } catch (error) {
      if (this.#writeHolder?.held === held) unheard(this.#releaseWrites());
      throw error;
    }
  }

  #checkWriteHolder(connection: Connection): void {
    if (this.#writeHolder === undefined || this.#writeHolder.connection === connection) return;
    throw new HexzError('MOUNT_BUSY', 'another watcher holds the writes');
  }

  async #releaseWrites(): Promise<void> {
    const holder = this.#writeHolder;
    if (holder === undefined) return;
    this.#writeHolder = undefined;
    clearTimeout(holder.timer);
    await this.#engine.release(await holder.hold);
  }

  /** @throws HexzError NO_OVERLAY */
  get #theReview(): ReviewKeeper {
    if (this.#review !== undefined) return this.#review;
    throw new HexzError('NO_OVERLAY', 'there is no overlay, so there is nothing to review');
  }

  async #state(): Promise<EngineState> {
    const served = await this.#servedState();
    return {
      ...served,
      warnings: [...served.warnings, ...(this.#review?.warnings ?? [])],
      watchers: this.#connections.size,
      isQuiesced: this.#writeHolder !== undefined,
      reviewRevision: this.#review?.revision ?? 0,
    };
  }

  readonly #answers = {
    state: () => this.#state(),
    quiesce: async ({ milliseconds }, connection) => {
      await this.#holdWrites(connection, milliseconds);
      return {};
    },
    resume: async (_params, connection) => {
      this.#checkWriteHolder(connection);
      await this.#releaseWrites();
      return {};
    },
    occupancy: async (params) => occupancyOf(this.#disk, this.#sampler.cachedBlocks, params),
    dirty: async ({ fromPage, limit }) => listDirty(this.#disk, fromPage, limit),
    review: async ({ fromPage, limit }) => this.#theReview.list(fromPage, limit),
    decide: async ({ change, revision }) => {
      const counts = await this.#theReview.decide(change, revision);
      unheard(this.stateChanged());
      return counts;
    },
    select: async ({ selection, revision }) => {
      const counts = await this.#theReview.select(selection, revision);
      unheard(this.stateChanged());
      return counts;
    },
    write: async ({ offset, bytes, force }) => {
      const decoded = Buffer.from(bytes, 'base64');
      await this.#engine.write(offset, decoded, force);
      return { written: decoded.length };
    },
    drop: async ({ pages, force }) => {
      const review = this.#theReview;
      // What is written between choosing pages and dropping them would be lost, and nobody has seen it.
      const hold = await this.#engine.hold();
      try {
        const runs = pages ?? (await review.dropped());
        const droppedPages = await this.#engine.drop(runs, force);
        await review.removed(runs);
        unheard(this.stateChanged());
        return { droppedPages };
      } finally {
        unheard(this.#engine.release(hold));
      }
    },
    sync: async () => {
      await this.#sync();
      return {};
    },
    mount: async ({ mountpoint, allowOther }) => {
      await this.#engine.mount(mountpoint, allowOther);
      return this.#state();
    },
    unmount: async ({ isLazy }) => {
      await this.#engine.unmount(isLazy);
      return {};
    },
    serveNbd: async (options) => ({ url: await this.#engine.serveNbd(options) }),
    lease: async ({ kind }, connection) => {
      if (this.#leaseHolder !== undefined && this.#leaseHolder.connection !== connection) {
        throw new HexzError('ENGINE_LEASED', 'another watcher ends this engine');
      }
      this.#leaseHolder = { connection, kind };
      await this.#engine.setLease(kind);
      return this.#state();
    },
    shutdown: async ({ isLazy, keepsOverlay }, connection) => {
      const lease = this.#leaseHolder;
      // From now on the end of its connection says nothing more.
      if (lease?.connection === connection) this.#leaseHolder = undefined;
      try {
        return { keptOverlay: await this.#engine.shutdown(isLazy, keepsOverlay) };
      } catch (error) {
        this.#leaseHolder ??= lease;
        if (!this.#connections.has(connection)) this.#endLease(connection);
        throw error;
      }
    },
  } satisfies { [Name in MethodName]?: Answer<Name> };
}

/** For what the serving thread is told by nobody who waits for an answer: it fails only when that thread ends. */
const unheard = (told: Promise<unknown>): void => {
  told.catch(() => {});
};

function kindOf(name: MethodName, params: unknown): JobKind {
  // Looking at all blocks of a large snapshot takes its time.
  const looksAtAll =
    (name === 'info' && (params as Params<'info'>).countsBlocks) ||
    (name === 'block' && (params as Params<'block'>).findsShared);
  if (name === 'locate') return 'guest';
  if (!SHORT_JOBS.has(name) || looksAtAll) return 'long';
  const { stream, addressing } = params as Partial<Params<'read'>>;
  return stream === 'memory' && addressing === 'guest' ? 'guest' : 'short';
}

function firstIssue({
  issues,
}: {
  readonly issues: readonly { path: PropertyKey[]; message: string }[];
}): string {
  const [issue] = issues;
  if (issue === undefined) return 'the parameters are wrong';
  const where = issue.path.map(String).join('.');
  const complaint = where === '' ? issue.message : `${where}: ${issue.message}`;
  return complaint.slice(0, MAX_COMPLAINT_LENGTH);
}

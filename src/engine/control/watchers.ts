import type { ActivitySampler } from '../activity/sampler.js';
import { HexzError } from '../errors.js';
import type { SharedDirtySet } from '../overlay/sharedOverlay.js';
import type { Callable } from './calls.js';
import type { EngineCommands } from './commands.js';
import type { Connection, RequestHandler, RequestOutput, RunningRequest } from './connection.js';
import { listDirty } from './dirty.js';
import type { Jobs } from './jobs.js';
import type { EngineState } from './protocol/engineState.js';
import {
  isMethodName,
  type MethodName,
  methods,
  type Params,
  type Result,
} from './protocol/methods.js';
import { Watch } from './watch.js';

/** Methods that a job thread answers at once. */
const SHORT_JOBS = new Set<MethodName>(['read', 'inspect', 'block', 'info']);

/** How a method is answered that is no job. */
type Answer<Name extends MethodName> = (
  params: Params<Name>,
  connection: Connection,
) => Promise<Result<Name>>;

type AnyAnswer = (params: unknown, connection: Connection) => Promise<unknown>;

/**
 * What all watchers of an engine share: they ask it for what its own thread must do, have jobs done, and are told of
 * changes.
 *
 * State: which connection holds the lease (`#leaseHolder`), which one holds writes.
 */
export class Watchers implements RequestHandler {
  readonly #engine: Callable<EngineCommands>;
  readonly #jobs: Jobs;
  readonly #sampler: ActivitySampler;
  /** Undefined without an overlay. */
  readonly #dirtySet: SharedDirtySet | undefined;
  readonly #watches = new Set<Watch>();
  #leaseHolder:
    | { readonly connection: Connection; readonly kind: 'bound' | 'terminal' }
    | undefined;
  #writeHolder: { readonly connection: Connection; readonly timer: NodeJS.Timeout } | undefined;
  readonly #connections = new Set<Connection>();

  constructor(
    engine: Callable<EngineCommands>,
    jobs: Jobs,
    sampler: ActivitySampler,
    dirtySet: SharedDirtySet | undefined,
  ) {
    this.#dirtySet = dirtySet;
    this.#sampler = sampler;
    this.#engine = engine;
    this.#jobs = jobs;
  }

  run(name: string, given: unknown, output: RequestOutput, connection: Connection): RunningRequest {
    this.#connections.add(connection);
    if (!isMethodName(name))
      throw new HexzError('USAGE', `there is no method ${name.slice(0, 64)}`);
    const parsed = methods[name].params.safeParse(given ?? {});
    if (!parsed.success) throw new HexzError('USAGE', `${name}: ${firstIssue(parsed.error)}`);
    if (name === 'watch') return this.#watch(parsed.data as Params<'watch'>, output);
    const answer = (this.#answers as Readonly<Record<string, AnyAnswer>>)[name];
    if (answer === undefined) {
      return this.#jobs.run(name, parsed.data, output, SHORT_JOBS.has(name));
    }
    const result = answer(parsed.data, connection);
    return { result: result.then((value) => JSON.stringify(value)), taken() {}, cancel() {} };
  }

  ended(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#writeHolder?.connection === connection) void this.#releaseWrites();
    if (this.#leaseHolder?.connection !== connection) return;
    const { kind } = this.#leaseHolder;
    this.#leaseHolder = undefined;
    if (kind === 'terminal') void this.#engine.setLease('orphaned');
    else void this.#engine.shutdown(true, false);
  }

  async stateChanged(): Promise<void> {
    if (this.#watches.size === 0) return;
    const state = await this.#state();
    for (const watch of this.#watches) watch.state(state);
  }

  log(level: 'info' | 'warning' | 'error', text: string, code: string | undefined): void {
    const line = { time: Date.now(), level, text, ...(code === undefined ? {} : { code }) };
    for (const watch of this.#watches) watch.log(line);
  }

  #watch(params: Params<'watch'>, output: RequestOutput): RunningRequest {
    const watched = {
      cursor: this.#sampler.cursor(params.since),
      overlay: () => ({
        dirtyPages: this.#dirtySet?.listedPageCount ?? 0,
        diskLength: this.#dirtySet?.length ?? 0,
      }),
    };
    const watch = new Watch(params, watched, output);
    this.#watches.add(watch);
    watch.result.catch(() => this.#watches.delete(watch));
    void this.#state().then((state) => watch.state(state));
    return watch;
  }

  async #holdWrites(connection: Connection, milliseconds: number): Promise<void> {
    if (this.#writeHolder !== undefined && this.#writeHolder.connection !== connection) {
      throw new HexzError('MOUNT_BUSY', 'another watcher holds the writes');
    }
    clearTimeout(this.#writeHolder?.timer);
    const timer = setTimeout(() => void this.#releaseWrites(), milliseconds);
    this.#writeHolder = { connection, timer };
    await this.#engine.quiesce();
  }

  async #releaseWrites(): Promise<void> {
    clearTimeout(this.#writeHolder?.timer);
    this.#writeHolder = undefined;
    await this.#engine.resume();
  }

  async #state(): Promise<EngineState> {
    const served = await this.#engine.state();
    return { ...served, watchers: this.#connections.size, reviewRevision: 0 };
  }

  readonly #answers = {
    state: () => this.#state(),
    quiesce: async ({ milliseconds }, connection) => {
      await this.#holdWrites(connection, milliseconds);
      return {};
    },
    resume: async () => {
      await this.#releaseWrites();
      return {};
    },
    dirty: async ({ fromPage, limit }) => listDirty(this.#dirtySet, fromPage, limit),
    sync: async () => {
      await this.#engine.sync();
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
    lease: async ({ kind }, connection) => {
      if (this.#leaseHolder !== undefined && this.#leaseHolder.connection !== connection) {
        throw new HexzError('ENGINE_LEASED', 'another watcher ends this engine');
      }
      this.#leaseHolder = { connection, kind };
      await this.#engine.setLease(kind);
      return this.#state();
    },
    shutdown: async ({ isLazy, keepsOverlay }, connection) => {
      const keptOverlay = await this.#engine.shutdown(isLazy, keepsOverlay);
      if (this.#leaseHolder?.connection === connection) this.#leaseHolder = undefined;
      return { keptOverlay };
    },
  } satisfies { [Name in MethodName]?: Answer<Name> };
}

function firstIssue({
  issues,
}: {
  readonly issues: readonly { path: PropertyKey[]; message: string }[];
}): string {
  const [issue] = issues;
  if (issue === undefined) return 'the parameters are wrong';
  const where = issue.path.map(String).join('.');
  return where === '' ? issue.message : `${where}: ${issue.message}`;
}

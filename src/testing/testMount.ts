import { mkdirSync, mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlClient } from '../engine/control/client.js';
import type { EngineState } from '../engine/control/protocol/engineState.js';
import type {
  WireDifference,
  WireDiffTally,
  WireExtent,
} from '../engine/control/protocol/inspection.js';
import {
  type GivenParams,
  MAX_READ_BYTES,
  type Result,
} from '../engine/control/protocol/methods.js';
import type { Side } from '../engine/control/protocol/values.js';
import { HexzError } from '../engine/errors.js';
import {
  removeScratch,
  type ServeOptions,
  startEngine,
  type WatchedEngine,
} from '../engine/process/start.js';
import { Activity } from './activity.js';
import { evictStreams } from './evict.js';
import {
  copyOfOverlay,
  defaultCacheDirectory,
  type Fixture,
  findFixture,
  pathOf,
} from './fixture.js';
import { Repl, type ReplAnswer } from './repl.js';
import { whenRunnerIsGone } from './runner.js';

type StreamName = 'disk' | 'memory';

/** How a fixture is mounted. */
export interface TestMountOptions
  extends Omit<ServeOptions, 'snapshot' | 'mountpoint' | 'overlay'> {
  /**
   * Data file of an overlay, used where it lies: with `rw` it is created where it does not exist, else it is only read.
   * `true` takes a copy, for this mount alone, of the overlay that the recipe makes.
   */
  readonly overlay?: string | URL | true;
  /** Serve it without a mount: `client`, `read`, `repl` and what is said of the overlay work all the same. */
  readonly noMount?: boolean;
  /** Where what recipes make is kept. Default: `hexz/fixtures` in the user's directory of caches. */
  readonly cacheDirectory?: string;
}

/** What is there while a fixture is mounted. */
interface Live {
  readonly directory: string;
  readonly snapshot: string;
  readonly overlay: string | null;
  readonly mountpoint: string | null;
  readonly engine: WatchedEngine;
  readonly client: ControlClient;
  readonly activity: Activity;
  readonly repl: Repl;
}

/**
 * A fixture that is mounted for a test, by an engine that ends with this process, however that ends, and takes mount
 * and temporary files along.
 *
 *   state    begins with                what can be asked
 *   idle     the start, `end`           nothing: it throws NOT_MOUNTED
 *   mounted  `begin` resolves           everything; `begin` throws
 *   ended    the engine's own end       paths; the rest throws ENGINE_GONE. `end` leads back to idle
 *
 * Invariant: what was begun is swept by `end`, also if `begin` failed, or is still running.
 */
export class TestMount {
  readonly #fixture: Fixture;
  readonly #options: TestMountOptions;
  #live: Live | undefined;
  #beginning: Promise<void> | undefined;
  #commitCount = 0;
  #forgetRunner: () => void = () => {};

  /** @internal */
  constructor(fixture: Fixture, options: TestMountOptions) {
    this.#fixture = fixture;
    this.#options = options;
  }

  /** Where it is mounted. */
  get mountpoint(): string {
    const { mountpoint } = this.#mounted;
    if (mountpoint !== null) return mountpoint;
    throw new HexzError('NOT_MOUNTED', 'the fixture is served with noMount');
  }

  /** Path of the disk in the mount. */
  get disk(): string {
    return join(this.mountpoint, 'disk');
  }

  /** Path of the memory in the mount. */
  get memory(): string {
    return join(this.mountpoint, 'memory');
  }

  /** Path of the snapshot that is mounted. */
  get snapshot(): string {
    return this.#mounted.snapshot;
  }

  /** Path of the overlay's data file; null without an overlay. */
  get overlay(): string | null {
    return this.#mounted.overlay;
  }

  /** A directory for files of the test, which is removed with the mount. */
  get directory(): string {
    return this.#mounted.directory;
  }

  /** The process that serves. */
  get pid(): number {
    return this.#mounted.engine.pid;
  }

  /** For everything that can be asked of an engine (docs/control-protocol.md). */
  get client(): ControlClient {
    return this.#mounted.client;
  }

  /** What programs have asked of the mount. */
  get activity(): Activity {
    return this.#mounted.activity;
  }

  /** What the engine is and does now. */
  state(): Promise<EngineState> {
    return this.client.request('state', {});
  }

  /**
   * Runs commands (docs/repl.md), each in a line of its own. Settings and bookmarks last until the mount ends.
   *
   * @returns what each has answered, as `hexz inspect --json` prints it
   * @throws HexzError with which the first one failed, an `assert` too; USAGE before any is run
   */
  repl(...lines: readonly string[]): Promise<readonly ReplAnswer[]> {
    return this.#mounted.repl.run(lines);
  }

  /**
   * Bytes of a stream as the engine sees them, without the kernel and its caches between.
   *
   * @param length default: up to the end
   * @param side `base`: the snapshot alone
   * @returns less than was asked for only at the end of the stream
   * @throws HexzError of the snapshot
   */
  async read(
    stream: StreamName,
    offset = 0,
    length = Number.MAX_SAFE_INTEGER,
    side: Side = 'merged',
  ): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let done = 0; done < length; ) {
      const wanted = Math.min(MAX_READ_BYTES, length - done);
      const place = { stream, side, addressing: 'raw', offset: offset + done } as const;
      const answer = await this.client.request('read', { ...place, length: wanted });
      for (const { bytes } of answer.pieces) pieces.push(Buffer.from(bytes, 'base64'));
      done += answer.length;
      if (answer.length < wanted) break;
    }
    return Buffer.concat(pieces);
  }

  /**
   * Makes the kernel forget what it has of disk and memory, so that whatever is read next reaches the mount.
   *
   * @throws HexzError EVICTION_FAILED
   */
  async evict(): Promise<void> {
    await evictStreams(this.mountpoint);
  }

  /** What the overlay holds: runs of 4 KiB pages, in order. */
  async dirty(): Promise<{ extents: WireExtent[]; dirtyPages: number; diskLength: number }> {
    const extents: WireExtent[] = [];
    for (let fromPage = 0; ; ) {
      const answer = await this.client.request('dirty', { fromPage });
      extents.push(...answer.extents);
      const { nextPage, dirtyPages, diskLength } = answer;
      if (nextPage === null) return { extents, dirtyPages, diskLength };
      fromPage = nextPage;
    }
  }

  /** What the overlay has changed against its base. */
  async diff(
    options: GivenParams<'diff'> = {},
  ): Promise<{ differences: WireDifference[]; tally: WireDiffTally }> {
    const stream = this.client.stream('diff', options);
    const differences: WireDifference[] = [];
    for await (const difference of stream) differences.push(difference);
    return { differences, tally: await stream.result };
  }

  /**
   * Makes a snapshot of the disk as it is now; the mount goes on.
   *
   * @param options.output default: a new file in `directory`
   * @returns the report; `output` is the path of the snapshot
   */
  commit(options: Partial<GivenParams<'commit'>> = {}): Promise<Result<'commit'>> {
    const output = join(this.directory, `commit-${++this.#commitCount}.hxz`);
    return this.client.request('commit', { output, ...options });
  }

  /**
   * Takes the mount away; the engine goes on, and can be asked about overlay and snapshot.
   *
   * @throws HexzError MOUNT_BUSY, NOT_MOUNTED
   */
  async unmount(): Promise<void> {
    await this.client.request('unmount', {});
  }

  /** @internal */
  begin(): Promise<void> {
    if (this.#live !== undefined || this.#beginning !== undefined) {
      throw new HexzError('USAGE', 'the fixture is mounted already', {
        hint: "tests that run at once share a mount (per: 'suite'), or each calls mountFixture",
      });
    }
    this.#forgetRunner = whenRunnerIsGone(() => void this.end().catch(() => {}));
    this.#beginning = this.#begin();
    return this.#beginning;
  }

  /**
   * Ends the engine, though programs still use the mount, and removes what was made for it. May be called twice.
   *
   * @throws HexzError UNMOUNT_FAILED: something else is mounted in `directory`
   */
  async end(): Promise<void> {
    this.#forgetRunner();
    await this.#beginning?.catch(() => {});
    this.#beginning = undefined;
    const live = this.#live;
    this.#live = undefined;
    if (live !== undefined) await endEngine(live.engine, live.client);
  }

  async #begin(): Promise<void> {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'hexz-testing-')));
    try {
      this.#live = await this.#start(directory);
    } catch (error) {
      removeScratch(directory);
      throw error;
    }
  }

  async #start(directory: string): Promise<Live> {
    const { noMount = false, overlay: given, cacheDirectory, ...options } = this.#options;
    const built = join(directory, 'fixture');
    mkdirSync(built);
    const cache = cacheDirectory ?? defaultCacheDirectory();
    const fixture = await findFixture(this.#fixture, cache, built);
    const overlay =
      given === undefined
        ? undefined
        : given === true
          ? await copyOfOverlay(fixture, directory)
          : pathOf(given);
    const mountpoint = noMount ? undefined : join(directory, 'mount');
    if (mountpoint !== undefined) mkdirSync(mountpoint);
    const engine = await startEngine({
      ...options,
      snapshot: fixture.snapshot,
      passwords: [options.passwords ?? [], fixture.passwords].flat(),
      mountpoint,
      ...(overlay === undefined ? {} : { overlay }),
      scratchDirectory: directory,
    });
    let client: ControlClient | undefined;
    try {
      client = await ControlClient.connect(engine.socketPath);
      const state = await client.request('lease', { kind: 'bound' });
      return {
        directory,
        snapshot: fixture.snapshot,
        overlay: state.overlay?.path ?? null,
        mountpoint: engine.mountpoint,
        engine,
        client,
        activity: await startActivity(client, engine.mountpoint),
        repl: new Repl(client),
      };
    } catch (error) {
      await endEngine(engine, client);
      throw error;
    }
  }

  get #mounted(): Live {
    if (this.#live !== undefined) return this.#live;
    throw new HexzError('NOT_MOUNTED', 'the fixture is mounted only while its tests run');
  }
}

/** From here on it is the test that reads; what showed that the mount is ready is nothing to it. */
async function startActivity(client: ControlClient, mountpoint: string | null): Promise<Activity> {
  // Without the tool the kernel keeps the first bytes; that is no reason not to test.
  if (mountpoint !== null) await evictStreams(mountpoint).catch(() => {});
  return Activity.start(client);
}

async function endEngine(engine: WatchedEngine, client: ControlClient | undefined): Promise<void> {
  // One that does not listen, or is gone, is swept all the same.
  await client?.request('shutdown', { isLazy: true }).catch(() => {});
  await client?.close();
  await engine.sweep();
}

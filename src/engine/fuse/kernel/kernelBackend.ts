import { HexzError } from '../../errors.js';
import { DEFAULT_CACHE_BYTES } from '../../snapshot/open.js';
import type { SharedVolume } from '../../volume/attachedVolume.js';
import type { FuseBackend, FuseConnection, FuseOptions } from '../backend.js';
import type { FileSystem } from '../fileSystem.js';
import { checkRequirements, requirements } from '../requirements.js';
import { MAX_READ_BYTES, negotiate } from './initialisation.js';
import { mountDevice } from './mountDevice.js';
import { inHeader, operations, outHeader } from './protocol.js';
import { RequestHandler } from './requestHandler.js';
import { checkAnswered } from './requestReader.js';
import { RequestThreads } from './requestThreads.js';
import { closeDescriptors, loadSystemCalls, type SystemCalls } from './systemCalls.js';

const INIT_BUFFER_BYTES = 2 * 1024 * 1024;
/** Each takes some 20 MiB beside its cache, so with more of them a mount would take more than 150 MiB beside its cache. */
const THREADS = 2;

/**
 * The backend that speaks the protocol of the kernel itself. Threads fetch the requests; each answers reads by a volume
 * of its own. Everything else they hand to this thread, where the file system is.
 *
 * State of a connection: opening (the threads open their volumes, meanwhile it is mounted) -> serving -> ended (the kernel
 * has ended it, and all threads with it). When the process exits, so do they at once.
 */
export const kernelBackend: FuseBackend = {
  name: 'kernel',
  // So much that all threads have something to do.
  readaheadBytes: 8 * MAX_READ_BYTES,

  async check(options): Promise<void> {
    checkRequirements(requirements('kernel', options));
  },

  async mount(fileSystem, options): Promise<FuseConnection> {
    const calls = loadSystemCalls();
    if (calls === undefined) throw new HexzError('MOUNT_FAILED', 'koffi cannot be loaded');
    const connection = new KernelConnection(calls, fileSystem, options);
    await connection.mount(options);
    return connection;
  },
};

class KernelConnection implements FuseConnection {
  readonly ended: Promise<void>;
  readonly #calls: SystemCalls;
  readonly #threads: RequestThreads;
  readonly #wakeDescriptor: number;
  readonly #onExit = () => this.#threads.stop();
  #descriptor = -1;

  constructor(calls: SystemCalls, fileSystem: FileSystem, options: FuseOptions) {
    this.#calls = calls;
    this.#wakeDescriptor = calls.eventDescriptor();
    const handler = new RequestHandler(fileSystem, (unique, errno, body) =>
      this.#answer(unique, errno, body),
    );
    const volumes = sharedVolumes(options);
    this.#threads = new RequestThreads(calls, {
      volumes,
      diskTouch: fileSystem.diskTouch,
      wakeDescriptor: this.#wakeDescriptor,
      handle: (bytes) => handler.handle(bytes),
      onTrouble: (operation, error) => fileSystem.reportFailure(operation, error),
      onBug: options.onBug,
    });
    process.on('exit', this.#onExit);
    this.ended = this.#threads.ended.then(() => {
      for (const volume of volumes) if (volume !== undefined) options.threads?.end(volume);
      this.#close();
    });
  }

  /** @throws HexzError MOUNT_FAILED, MOUNTPOINT_UNUSABLE; everything is closed then */
  async mount(options: FuseOptions): Promise<void> {
    try {
      // Meanwhile the threads open what they serve.
      this.#descriptor = await mountDevice(this.#calls, options);
      this.#initialise(options);
      // The first one that is ready answers; that all are is waited for.
      this.#threads.serve(this.#descriptor);
      await this.#threads.opened();
    } catch (error) {
      this.#threads.stop();
      await this.ended;
      throw error;
    }
  }

  /** Agrees with the kernel on how they talk. It asks before the mount is there, and again as soon as it is answered. */
  #initialise(options: FuseOptions): void {
    const { mountpoint } = options;
    const failed = (problem: string): HexzError =>
      new HexzError('MOUNT_FAILED', problem, { location: { file: mountpoint } });
    const request = Buffer.allocUnsafeSlow(INIT_BUFFER_BYTES);
    for (;;) {
      const length = this.#calls.read(this.#descriptor, request);
      if (length < 0) throw failed(`the kernel does not begin to speak: errno ${-length}`);
      const { operation } = inHeader.decode(request);
      if (operation !== operations.INIT) throw failed(`the kernel begins with ${operation}`);
      const outcome = negotiate(
        request.subarray(inHeader.bytes, length),
        options.isWritebackWanted === true,
      );
      if (outcome.kind === 'refused') {
        throw failed(`the kernel speaks version ${outcome.version} of FUSE, which is too old`);
      }
      this.#answer(request.readBigUInt64LE(inHeader.offsets.unique), 0, outcome.reply);
      if (outcome.kind === 'agreed') return;
    }
  }

  #answer(unique: bigint, errno: number, body: Buffer): void {
    // What was asked before the end may come to an answer after it.
    if (this.#descriptor < 0) return;
    const reply = Buffer.allocUnsafe(outHeader.bytes + body.length);
    reply.writeUInt32LE(reply.length, outHeader.offsets.length);
    reply.writeInt32LE(-errno, outHeader.offsets.error);
    reply.writeBigUInt64LE(unique, outHeader.offsets.unique);
    body.copy(reply, outHeader.bytes);
    checkAnswered(this.#calls.write(this.#descriptor, reply, reply.length));
  }

  #close(): void {
    process.removeListener('exit', this.#onExit);
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    closeDescriptors(descriptor, this.#wakeDescriptor);
  }
}

/** One for each thread. One that answers nothing itself needs no other beside it. */
function sharedVolumes({ threads, cacheBytes }: FuseOptions): (SharedVolume | undefined)[] {
  if (threads === undefined) return [undefined];
  const part = Math.floor((cacheBytes ?? DEFAULT_CACHE_BYTES) / THREADS);
  return Array.from({ length: THREADS }, () => threads.share(part));
}

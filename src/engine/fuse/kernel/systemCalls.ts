import { closeSync, constants } from 'node:fs';
import { loadSystemLibrary } from '../../codec/nativeLibrary.js';

/** Constants of Linux, the same on all its machines that Node runs on. */
const EPOLLIN = 1;
const EPOLLEXCLUSIVE = 1 << 28;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const F_GETFL = 3;
const F_SETFL = 4;

/** struct epoll_event, with a gap or without, and room for two of them. */
const EVENT_DATA_OFFSET = process.arch === 'x64' ? 4 : 8;
const EVENTS_BYTES = 32;
/** struct msghdr, struct cmsghdr and struct iovec on 64 bits. */
const MESSAGE_HEADER_BYTES = 56;
const CONTROL_HEADER_BYTES = 16;
const VECTOR_BYTES = 16;

/**
 * Calls of the system that Node does not offer, or only by way of an exception or a promise. Where one answers a number,
 * it is as the kernel has it: not negative, or an errno with a minus before it.
 */
export interface SystemCalls {
  read(descriptor: number, target: Buffer): number;
  /** @param length how much of it is written */
  write(descriptor: number, bytes: Buffer, length: number): number;
  /** Mounts; other than Node's calls it blocks, but the kernel asks a mount of FUSE nothing before it answers. */
  mount(source: string, target: string, type: string, flags: number, options: string): number;
  eventDescriptor(): number;
  socketPair(): readonly [number, number] | number;
  /** Takes the descriptor that was sent through a socket, without waiting for it. */
  receiveDescriptor(socket: number): number | undefined;
  setNonblocking(descriptor: number): void;
  /**
   * Makes a wait for bytes at one of two descriptors. Of all that wait for the first one, only one is woken, as far as it
   * can be; so that those who do not find anything there need not go to sleep again.
   */
  waiter(descriptor: number, otherDescriptor: number): Waiter;
}

export interface Waiter {
  /** Returns when there is something, or after some time. */
  wait(timeoutMilliseconds: number): void;
  close(): void;
}

/** GNU's and musl's. */
const sonames = ['libc.so.6', `libc.musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`];

/** Binds them. Undefined where koffi cannot be loaded. */
export function loadSystemCalls(): SystemCalls | undefined {
  let libc: ReturnType<typeof loadSystemLibrary>;
  for (const soname of sonames) libc ??= loadSystemLibrary(soname);
  if (libc === undefined) return undefined;
  const { errno, addressOf } = libc;
  const read = libc.func('long read(int descriptor, void* target, size_t length)');
  const write = libc.func('long write(int descriptor, const void* bytes, size_t length)');
  const epollCreate = libc.func('int epoll_create1(int flags)');
  const epollControl = libc.func(
    'int epoll_ctl(int set, int operation, int descriptor, void* event)',
  );
  const epollWait = libc.func('int epoll_wait(int set, void* events, int maximum, int timeout)');
  const mount = libc.func(
    'int mount(const char* source, const char* target, const char* type, unsigned long flags, const char* options)',
  );
  const eventfd = libc.func('int eventfd(unsigned int value, int flags)');
  const socketpair = libc.func('int socketpair(int domain, int type, int protocol, void* pair)');
  const recvmsg = libc.func('long recvmsg(int socket, void* message, int flags)');
  const close = libc.func('int close(int descriptor)');
  const fcntl = libc.func('int fcntl(int descriptor, int command, ...)');
  const resultOf = (result: number | bigint): number => {
    const number = Number(result);
    return number < 0 ? -errno() : number;
  };
  return {
    read: (descriptor, target) => resultOf(read(descriptor, target, target.length)),
    write: (descriptor, bytes, length) => resultOf(write(descriptor, bytes, length)),
    mount: (source, target, type, flags, options) =>
      resultOf(mount(source, target, type, flags, options)),
    eventDescriptor: () => resultOf(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
    socketPair() {
      const pair = Buffer.alloc(8);
      const result = resultOf(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
      return result < 0 ? result : [pair.readInt32LE(0), pair.readInt32LE(4)];
    },
    receiveDescriptor(socket) {
      const byte = Buffer.alloc(1);
      const control = Buffer.alloc(CONTROL_HEADER_BYTES + 8);
      const vector = Buffer.alloc(VECTOR_BYTES);
      vector.writeBigUInt64LE(addressOf(byte), 0);
      vector.writeBigUInt64LE(BigInt(byte.length), 8);
      const message = Buffer.alloc(MESSAGE_HEADER_BYTES);
      message.writeBigUInt64LE(addressOf(vector), 16);
      message.writeBigUInt64LE(1n, 24);
      message.writeBigUInt64LE(addressOf(control), 32);
      message.writeBigUInt64LE(BigInt(control.length), 40);
      if (resultOf(recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) <= 0)
        return undefined;
      const isDescriptor =
        Number(control.readBigUInt64LE(0)) === CONTROL_HEADER_BYTES + 4 &&
        control.readInt32LE(8) === SOL_SOCKET &&
        control.readInt32LE(12) === SCM_RIGHTS;
      return isDescriptor ? control.readInt32LE(CONTROL_HEADER_BYTES) : undefined;
    },
    setNonblocking(descriptor) {
      const flags = Number(fcntl(descriptor, F_GETFL));
      fcntl(descriptor, F_SETFL, 'int', flags | constants.O_NONBLOCK);
    },
    waiter(descriptor, otherDescriptor) {
      const set = resultOf(epollCreate(EPOLL_CLOEXEC));
      const events = Buffer.alloc(EVENTS_BYTES);
      const add = (added: number, flags: number): void => {
        events.writeUInt32LE(flags, 0);
        events.writeInt32LE(added, EVENT_DATA_OFFSET);
        const result = resultOf(epollControl(set, EPOLL_CTL_ADD, added, events));
        if (result < 0) throw new Error(`cannot wait for a descriptor: errno ${-result}`);
      };
      add(descriptor, EPOLLIN | EPOLLEXCLUSIVE);
      add(otherDescriptor, EPOLLIN);
      return {
        wait: (timeoutMilliseconds) => void epollWait(set, events, 2, timeoutMilliseconds),
        close: () => void close(set),
      };
    },
  };
}

/** Closes descriptors that may be none. */
export function closeDescriptors(...descriptors: readonly number[]): void {
  for (const descriptor of descriptors) if (descriptor >= 0) closeSync(descriptor);
}

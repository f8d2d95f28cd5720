/** What a request of the kernel is refused with, where nothing is wrong but the request. */
export type RequestErrno =
  | 'EEXIST'
  | 'EINVAL'
  | 'EISDIR'
  | 'ENOENT'
  | 'ENOTDIR'
  | 'EPERM'
  | 'EROFS';

/** A request that cannot be fulfilled; an everyday answer, not worth a line in a log. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly errno: RequestErrno;

  constructor(errno: RequestErrno) {
    super(errno);
    this.errno = errno;
  }
}

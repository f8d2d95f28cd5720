import { asHexzError, fromPortable, HexzError, type PortableError, toPortable } from '../errors.js';

/*
 * Calls between two threads: one end has an object of functions, the other calls them by name. Arguments and results
 * are copied, shared memory is shared, and a HexzError arrives as one.
 */

/** Functions that another thread may call. */
export type Callable<Target> = {
  readonly [Name in keyof Target]: Target[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

interface Call {
  readonly call: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

type Answer =
  | { readonly answer: number; readonly result: unknown }
  | { readonly answer: number; readonly error: PortableError };

/** What a worker and a port have in common. */
export interface Channel {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** Answers what the other end calls; both ends may do so over one channel. */
export function answerCalls(channel: Channel, target: object): void {
  const functions = target as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  channel.on('message', (message) => {
    const { call, name, args } = message as Call;
    if (call === undefined) return;
    const run = async () => functions[name]?.(...args);
    run().then(
      (result) => channel.postMessage({ answer: call, result } satisfies Answer),
      (error) =>
        channel.postMessage({
          answer: call,
          error: toPortable(asHexzError(error)),
        } satisfies Answer),
    );
  });
}

/**
 * The functions of the other end.
 *
 * @param ended settles when the other end is gone: calls then throw ENGINE_GONE
 */
export function callsTo<Target extends object>(
  channel: Channel,
  ended?: Promise<unknown>,
): Callable<Target> {
  const waiting = new Map<number, (answer: Answer) => void>();
  let lastCall = 0;
  let isGone = false;
  const gone = new HexzError('ENGINE_GONE', 'the other thread has ended');
  const end = (): void => {
    isGone = true;
    for (const [id, settle] of waiting) settle({ answer: id, error: toPortable(gone) });
    waiting.clear();
  };
  ended?.then(end, end);
  channel.on('message', (message) => {
    const answer = message as Answer;
    if (answer.answer === undefined) return;
    waiting.get(answer.answer)?.(answer);
    waiting.delete(answer.answer);
  });
  const call = (name: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (isGone) {
        reject(gone);
        return;
      }
      const id = ++lastCall;
      waiting.set(id, (answer) => {
        if ('error' in answer) reject(fromPortable(answer.error));
        else resolve(answer.result);
      });
      channel.postMessage({ call: id, name, args } satisfies Call);
    });
  return new Proxy({} as Callable<Target>, {
    get: (_target, name) =>
      name === 'then' ? undefined : (...args: unknown[]) => call(String(name), args),
  });
}

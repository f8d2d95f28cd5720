import type { RequestOptions } from '../engine/control/client.js';
import type { GivenParams, Item, MethodName, Result } from '../engine/control/protocol/methods.js';

/** What the commands need of a `ControlClient`. */
export interface EngineClient {
  /** The process of the engine. */
  readonly pid: number;
  readonly closed: Promise<void>;
  /** @throws HexzError */
  request<Name extends MethodName>(
    method: Name,
    params: GivenParams<Name>,
    options?: RequestOptions,
  ): Promise<Result<Name>>;
  stream<Name extends MethodName>(
    method: Name,
    params: GivenParams<Name>,
    options?: RequestOptions,
  ): EngineStream<Item<Name>, Result<Name>>;
}

/** What they need of a `ControlStream`. */
export interface EngineStream<Item, Result> {
  readonly result: Promise<Result>;
  batches(): AsyncIterable<readonly Item[]>;
  cancel(): void;
}

import fc from 'fast-check';
import { z } from 'zod';
import { type MethodName, methods } from '../../src/engine/control/protocol/methods.js';

/** What a fuzzed watcher does next. */
export type Move =
  | { readonly kind: 'line'; readonly text: string }
  /** A line of JSON that is no request, or hardly. */
  | { readonly kind: 'spoilt'; readonly text: string }
  /** A line with bytes changed: where, in millionths, and to what. */
  | {
      readonly kind: 'damage';
      readonly text: string;
      readonly changes: readonly [number, number][];
    }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'flood'; readonly text: string; readonly times: number }
  | { readonly kind: 'long'; readonly unit: string; readonly bytes: number }
  /** In the middle of a line or not; with or without saying goodbye. */
  | { readonly kind: 'cut'; readonly text: string; readonly isPolite: boolean }
  /** Stops reading. */
  | { readonly kind: 'stall' };

/** As `z.toJSONSchema` describes what a method takes. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly format?: string;
  readonly pattern?: string;
}

/** Methods that would rightly end what is tested, or write files wherever they are told to. */
const leftOut = new Set<MethodName>(['shutdown', 'unmount', 'commit', 'mount']);

const patterns = [
  'x:00',
  'x:??',
  'r:(a|b)*c',
  'r/[^x]{1,9}y/i',
  'u:text',
  'nothing of the sort',
  'x:0',
];

const junk = (): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.constantFrom<unknown>(
      null,
      true,
      -1,
      0.5,
      1e308,
      2 ** 53,
      '',
      'x'.repeat(70_000),
      [],
      {},
      [[[[[]]]]],
      { toString: 1 },
      '\ud800',
    ),
    fc.jsonValue({ maxDepth: 3 }),
  );

function anyOf(schema: Schema): fc.Arbitrary<unknown> {
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) return fc.oneof(...options.map(anyOf));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'object': {
      const entries = Object.entries(schema.properties ?? {});
      return fc.record(Object.fromEntries(entries.map(([name, of]) => [name, anyOf(of)])), {
        requiredKeys: [...(schema.required ?? [])],
      });
    }
    case 'array':
      return fc.array(anyOf(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: 8,
      });
    case 'integer':
    case 'number':
      return numberIn(schema.minimum ?? 0, schema.maximum ?? 1000);
    case 'boolean':
      return fc.boolean();
    case 'string':
      if (schema.format === 'base64') return fc.base64String({ maxLength: 64 });
      if (schema.pattern !== undefined) return fc.constant('/nowhere');
      return fc.oneof(fc.constantFrom(...patterns), fc.string({ unit: 'binary', maxLength: 64 }));
    default:
      return junk();
  }
}

const numberIn = (minimum: number, maximum: number): fc.Arbitrary<number> => {
  const low = Math.ceil(minimum);
  return fc.oneof(
    fc.constantFrom(minimum, maximum),
    fc.integer({ min: low, max: Math.min(maximum, low + 100) }),
    fc.integer({ min: low, max: Math.min(maximum, 2 ** 28) }),
    fc.maxSafeNat().map((value) => Math.min(maximum, Math.max(low, value))),
  );
};

const id = (): fc.Arbitrary<number> => fc.integer({ min: 1, max: 40 });

const request = (): fc.Arbitrary<{ id: number; method: string; params: unknown }> =>
  fc.oneof(
    ...(Object.keys(methods) as MethodName[])
      .filter((method) => !leftOut.has(method))
      .map((method) => {
        const schema = z.toJSONSchema(methods[method].params, { io: 'input' }) as Schema;
        return fc.record({ id: id(), method: fc.constant(method), params: anyOf(schema) });
      }),
  );

/** One value of it replaced by something else. */
const spoilt = (): fc.Arbitrary<Move> =>
  fc.tuple(request(), fc.nat(), junk()).map(([value, where, other]) => {
    const params = { ...(value.params as Record<string, unknown>) };
    const names = [...Object.keys(params), 'id', 'method', 'params', 'extra'];
    const name = names[where % names.length] ?? 'extra';
    const isParameter = name in params || name === 'extra';
    const message = isParameter
      ? { ...value, params: { ...params, [name]: other } }
      : { ...value, [name]: other };
    return { kind: 'spoilt', text: JSON.stringify(message) };
  });

const line = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Move> =>
  value.map((message) => ({ kind: 'line', text: JSON.stringify(message) }));

const control = (): fc.Arbitrary<unknown> =>
  fc.oneof(fc.record({ cancel: id() }), fc.record({ taken: id() }));

const often = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

/** Anything that a watcher may do, the likely more often. */
export const move = (): fc.Arbitrary<Move> =>
  fc.oneof(
    often(400, line(request())),
    often(300, line(control())),
    often(200, spoilt()),
    often(
      40,
      fc.record({
        kind: fc.constant('damage' as const),
        text: request().map((value) => JSON.stringify(value)),
        changes: fc.array(fc.tuple(fc.nat(999_999), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      }),
    ),
    often(
      20,
      fc.record({ kind: fc.constant('bytes' as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
    ),
    often(
      4,
      fc.record({
        kind: fc.constant('flood' as const),
        text: fc.oneof(control(), request()).map((value) => JSON.stringify(value)),
        times: fc.integer({ min: 10, max: 2000 }),
      }),
    ),
    often(
      1,
      fc.record({
        kind: fc.constant('long' as const),
        unit: fc.constantFrom('[', '{"a":', '[],', '"', '\\"', 'x', ' ', '1'),
        bytes: fc.constantFrom(70_000, 1_000_000, 33_000_000),
      }),
    ),
    often(
      20,
      fc.record({
        kind: fc.constant('cut' as const),
        text: fc.oneof(
          request().map((value) => JSON.stringify(value)),
          fc.constant(''),
        ),
        isPolite: fc.boolean(),
      }),
    ),
    often(5, fc.constant({ kind: 'stall' as const })),
  );

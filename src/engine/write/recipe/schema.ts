import { createHash } from 'node:crypto';
import { z } from 'zod';
import { byteSizeOf } from '../../byteSize.js';
import { HexzError } from '../../errors.js';
import { MAX_BLOCK_BYTES } from '../../format/limits.js';
import { streamNames } from '../../format/types.js';
import { MAX_DISK_BYTES } from '../../overlay/pages.js';
import { type ChunkSizes, checkChunkSizes, DEFAULT_CHUNK_SIZES } from '../chunking.js';
import { DEFAULT_BLOCK_BYTES, SALT_BYTES } from '../newSnapshot.js';
import { MAX_EXT4_BYTES } from './limits.js';
import type {
  EntryKind,
  EntrySpec,
  Ext4Spec,
  GeneratorSpec,
  OverlaySpec,
  PackSpec,
  ParentSpec,
  PlacedSpec,
  PlaceSpec,
  RecipeSpec,
  StepSpec,
  StreamSpec,
} from './spec.js';

const MAX_ID = 2 ** 32 - 2;
/** 2038-01-19: what fits without the fields that extend it. */
const MAX_TIME = 2 ** 31 - 1;
/** 2024-01-01 */
const DEFAULT_TIME = 1_704_067_200;
const DEFAULT_UUID = '6865787a-0000-4000-8000-000000000001';
const MAX_MESSAGE_LENGTH = 4096;

type Context = z.core.$RefinementCtx;

const refuse = (context: Context, message: string, path: PropertyKey[] = []) => {
  context.addIssue({ code: 'custom', message, path });
  return z.NEVER;
};

/** An object of these keys and no others, which it names when it meets one. */
function fields<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const allowed = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code, keys }) =>
      code === 'unrecognized_keys'
        ? `unknown key ${(keys as string[]).map((key) => JSON.stringify(key)).join(', ')}; allowed: ${allowed}`
        : `must be a mapping with keys of: ${allowed}`,
  });
}

/** The error of a field that is absent or of another kind. */
const mustBe = (what: string) => ({
  error: ({ input }: { readonly input?: unknown }) =>
    input === undefined ? `is missing; it must be ${what}` : `must be ${what}`,
});

const text = (what: string) => z.string(mustBe(what));

const SIZE = 'a size such as 4096, 0x1000 or 64KiB';

/** A number of bytes from a number or a text such as 64KiB. */
const size = (minimum = 0, maximum = MAX_DISK_BYTES) =>
  z.union([z.number(), z.string()], mustBe(SIZE)).transform((value, context) => {
    const bytes = typeof value === 'number' ? value : byteSizeOf(value);
    if (bytes === undefined || !Number.isSafeInteger(bytes)) {
      return refuse(context, `must be ${SIZE}`);
    }
    if (bytes >= minimum && bytes <= maximum) return bytes;
    return refuse(context, `must be from ${minimum} to ${maximum} bytes`);
  });

const wholeNumber = (minimum: number, maximum: number) => {
  const number = mustBe(`a whole number from ${minimum} to ${maximum}`);
  return z.number(number).int(number).min(minimum, number).max(maximum, number);
};

const flag = z.boolean({ error: 'must be true or false' });

const seed = z
  .union([z.string(), z.number().int()], mustBe('a text or a whole number'))
  .transform(String);

/** In quotes, because YAML reads 12 and 1e5 as numbers. */
const hexadecimal = text('hexadecimal digits, in quotes').transform((value, context) => {
  const digits = value.replace(/\s+/g, '');
  if (digits.length % 2 === 0 && /^[0-9a-f]*$/i.test(digits)) return Buffer.from(digits, 'hex');
  return refuse(context, 'must be pairs of hexadecimal digits');
});

/** A name of a file in the output directory. */
const fileName = text('a file name').refine(
  (name) => /^[\p{L}\p{N}_][\p{L}\p{N}_.+@ -]*$/u.test(name) && Buffer.byteLength(name) <= 200,
  { error: 'must be a plain file name: letters, digits and . _ + @ - only, at most 200 bytes' },
);

const moment = z
  .union([z.string(), z.number()], { error: 'must be a time such as 2024-05-01T12:00:00Z' })
  .transform((value, context) => {
    const isText = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(String(value));
    const seconds = typeof value === 'number' ? value : isText ? Date.parse(value) / 1000 : -1;
    if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_TIME) return seconds;
    return refuse(context, 'must be a time such as 2024-05-01T12:00:00Z, from 1970 to 2038');
  });

const uuid = text('a UUID')
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, {
    error: 'must be a UUID such as 6865787a-0000-4000-8000-000000000001',
  })
  .transform((value) => value.toLowerCase());

const pattern = fields({
  hex: hexadecimal.optional(),
  text: text('a text').optional(),
  length: size(),
}).transform(({ hex, text, length }, context): GeneratorSpec => {
  if ((hex === undefined) === (text === undefined)) {
    return refuse(context, 'must have one of: hex, text');
  }
  const unit = hex ?? Buffer.from(text ?? '');
  if (unit.length === 0) return refuse(context, 'must repeat at least one byte');
  return { kind: 'pattern', unit, length };
});

const words = fields({ seed, length: size() });

const range = { offset: size().default(0), length: size().optional() };

const fileRange = z
  .union([text('a path'), fields({ path: text('a path'), ...range })], {
    error: 'must be a path, or a mapping with keys of: path, offset, length',
  })
  .transform((value) =>
    typeof value === 'string' ? { path: value, offset: 0, length: undefined } : value,
  );

const streamName = z.enum(streamNames, { error: `must be one of: ${streamNames.join(', ')}` });

const parentRange = z
  .union([streamName, fields({ stream: streamName, ...range })], {
    error: 'must be disk or memory, or a mapping with keys of: stream, offset, length',
  })
  .transform((value) =>
    typeof value === 'string' ? { stream: value, offset: 0, length: undefined } : value,
  );

/** Generators that make bytes of nothing but what the recipe says and files beside it. */
const plainGenerators = {
  zeros: size().optional(),
  pattern: pattern.optional(),
  random: fields({ seed, length: size() }).optional(),
  text: z
    .union([z.string(), words], {
      error: 'must be a text, or a mapping with keys of: seed, length',
    })
    .optional(),
  file: fileRange.optional(),
  repeat: fields({ times: wholeNumber(0, 2 ** 32), content: z.lazy(() => content) }).optional(),
};

const generators = {
  ...plainGenerators,
  parent: parentRange.optional(),
  ext4: z.lazy(() => ext4).optional(),
};

type GeneratorFields = {
  readonly [Name in keyof typeof generators]?: z.output<(typeof generators)[Name]> | undefined;
};

const generatorNames = ['zeros', 'pattern', 'random', 'text', 'repeat', 'file', 'parent', 'ext4'];

/** The one generator among the keys of an object; undefined where there is none. */
function generatorOf(given: GeneratorFields, context: Context): GeneratorSpec | undefined {
  const names = generatorNames.filter((name) => given[name as keyof GeneratorFields] !== undefined);
  if (names.length > 1) return refuse(context, `must have one generator, not ${names.join(', ')}`);
  const { zeros, pattern, random, text, repeat, file, parent, ext4 } = given;
  if (zeros !== undefined) return { kind: 'zeros', length: zeros };
  if (pattern !== undefined) return pattern;
  if (random !== undefined) return { kind: 'random', ...random };
  if (typeof text === 'string') return { kind: 'text', text };
  if (text !== undefined) return { kind: 'words', ...text };
  if (repeat !== undefined) return { kind: 'repeat', ...repeat };
  if (file !== undefined)
    return { kind: 'file', path: file.path, offset: file.offset, length: file.length };
  if (parent !== undefined)
    return { kind: 'parent', stream: parent.stream, offset: parent.offset, length: parent.length };
  if (ext4 !== undefined) return { kind: 'ext4', ...ext4 };
  return undefined;
}

const withoutGenerator = (context: Context) =>
  refuse(context, `must have a generator, one of: ${generatorNames.join(', ')}`);

const placed: z.ZodType<PlacedSpec> = z.lazy(() =>
  fields({ at: size().optional(), ...generators }).transform((given, context): PlacedSpec => {
    const generator = generatorOf(given, context) ?? withoutGenerator(context);
    return { atOffset: given.at, generator };
  }),
);

const content = z.array(placed, { error: 'must be a list of generators' });

const stream = z
  .union([content, fields({ length: size().optional(), content: content.default([]) })], {
    error: 'must be a list of generators, or a mapping with keys of: length, content',
  })
  .transform(
    (value): StreamSpec =>
      Array.isArray(value)
        ? { length: undefined, content: value, contentPath: [] }
        : { length: value.length, content: value.content, contentPath: ['content'] },
  );

/** As a text, because YAML reads 0644 as the decimal number 644. */
const mode = text('a text of octal digits, in quotes: "0644"')
  .regex(/^[0-7]{3,4}$/, { error: 'must be three or four octal digits, in quotes: "0644"' })
  .transform((digits) => Number.parseInt(digits, 8));

const attributes = {
  mode: mode.optional(),
  uid: wholeNumber(0, MAX_ID).default(0),
  gid: wholeNumber(0, MAX_ID).default(0),
  mtime: moment.optional(),
};

const entry = z
  .union(
    [
      text('a text'),
      z.null(),
      fields({
        ...plainGenerators,
        content: content.optional(),
        symlink: text('a path').optional(),
        hardlink: text('a path').optional(),
        ...attributes,
      }),
    ],
    { error: 'must be a text, a mapping, or nothing for a directory' },
  )
  .transform((value, context): Omit<EntrySpec, 'kind'> & { kind: EntryKind | undefined } => {
    if (value === null || typeof value === 'string') {
      const kind = value === null ? undefined : fileOf({ kind: 'text', text: value });
      return { kind, mode: undefined, uid: 0, gid: 0, time: undefined };
    }
    const { content, symlink, hardlink, mode, uid, gid, mtime } = value;
    const generator = generatorOf(value, context);
    const kinds: EntryKind[] = [];
    if (generator !== undefined) kinds.push(fileOf(generator));
    if (content !== undefined) kinds.push({ type: 'file', content });
    if (symlink !== undefined) kinds.push({ type: 'symlink', target: symlink });
    if (hardlink !== undefined) kinds.push({ type: 'hardlink', path: hardlink });
    if (kinds.length > 1) {
      return refuse(context, 'must be one of: a generator, content, symlink, hardlink');
    }
    if (hardlink !== undefined && (mode ?? mtime) !== undefined) {
      return refuse(context, 'a hard link has mode and time of what it leads to');
    }
    return { kind: kinds[0], mode, uid, gid, time: mtime };
  });

const fileOf = (generator: GeneratorSpec): EntryKind => ({
  type: 'file',
  content: [{ atOffset: undefined, generator }],
});

const tree = z
  .record(z.string(), entry, { error: 'must be a mapping of paths' })
  .transform((entries, context): ReadonlyMap<string, EntrySpec> => {
    const result = new Map<string, EntrySpec>();
    for (const [path, { kind, ...rest }] of Object.entries(entries)) {
      const isDirectory = path.endsWith('/');
      if (isDirectory !== (kind === undefined)) {
        const message = isDirectory
          ? 'ends in a slash and is a directory: it cannot have contents'
          : 'must have contents; the path of a directory ends in a slash';
        return refuse(context, message, [path]);
      }
      const name = path.replace(/\/$/, '');
      if (result.has(name)) return refuse(context, 'is there twice', [path]);
      result.set(name, { kind: kind ?? { type: 'directory' }, ...rest });
    }
    return result;
  });

const ext4: z.ZodType<Ext4Spec> = fields({
  size: size(64 * 1024, MAX_EXT4_BYTES),
  blockSize: size(1024, 4096).default(4096),
  label: text('a text').default(''),
  uuid: uuid.default(DEFAULT_UUID),
  journal: size(1024 * 1024, 1024 ** 3).optional(),
  inodes: wholeNumber(16, 2 ** 24).optional(),
  time: moment.default(DEFAULT_TIME),
  from: text('a path').optional(),
  tree: tree.optional(),
}).transform((given, context): Ext4Spec => {
  const { size, blockSize, label, uuid, journal, inodes, time, from, tree } = given;
  if (![1024, 2048, 4096].includes(blockSize)) {
    return refuse(context, 'must be 1024, 2048 or 4096', ['blockSize']);
  }
  if (size % blockSize !== 0)
    return refuse(context, `must be a multiple of ${blockSize}`, ['size']);
  if (!/^[\x20-\x7e]{0,16}$/.test(label)) {
    return refuse(context, 'must be at most 16 characters of ASCII', ['label']);
  }
  if (journal !== undefined && (journal % 1024 ** 2 !== 0 || journal < 1024 * blockSize)) {
    return refuse(context, `must be whole MiB, at least ${1024 * blockSize} bytes (1024 blocks)`, [
      'journal',
    ]);
  }
  return {
    sizeBytes: size,
    blockBytes: blockSize,
    label,
    uuid,
    hashSeed: uuidFrom(uuid),
    journalBytes: journal,
    inodeCount: inodes,
    time,
    from,
    tree: tree ?? new Map(),
  };
});

/** A second UUID that follows from the first. */
function uuidFrom(uuid: string): string {
  const digits = createHash('sha256').update(`hexz ext4 hash seed ${uuid}`).digest('hex');
  return digits.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const parent = z
  .union(
    [
      text('a path'),
      fields({
        recipe: text('a path').optional(),
        snapshot: text('a path').optional(),
        password: text('a text').optional(),
        thin: flag.default(true),
      }),
    ],
    { error: 'must be a path, or a mapping with keys of: recipe, snapshot, password, thin' },
  )
  .transform((value, context): ParentSpec => {
    const given =
      typeof value !== 'string'
        ? value
        : { [/\.ya?ml$/i.test(value) ? 'recipe' : 'snapshot']: value, thin: true };
    const { recipe, snapshot, password, thin } = given as {
      recipe?: string;
      snapshot?: string;
      password?: string;
      thin: boolean;
    };
    if ((recipe === undefined) === (snapshot === undefined)) {
      return refuse(context, 'must have one of: recipe, snapshot');
    }
    if (recipe !== undefined && password !== undefined) {
      return refuse(context, 'the password of a recipe is known from it', ['password']);
    }
    return recipe === undefined
      ? { kind: 'snapshot', path: snapshot ?? '', password, isThin: thin }
      : { kind: 'recipe', path: recipe, password: undefined, isThin: thin };
  });

const cdc = fields({
  minimum: size().default(DEFAULT_CHUNK_SIZES.minimumBytes),
  average: size().default(DEFAULT_CHUNK_SIZES.averageBytes),
  maximum: size().default(DEFAULT_CHUNK_SIZES.maximumBytes),
}).transform(({ minimum, average, maximum }, context): ChunkSizes => {
  const sizes = { minimumBytes: minimum, averageBytes: average, maximumBytes: maximum };
  try {
    checkChunkSizes(sizes);
    return sizes;
  } catch (error) {
    if (!(error instanceof HexzError)) throw error;
    return refuse(context, [error.message, error.hint].join('; '));
  }
});

const encrypt = fields({
  password: text('a text'),
  salt: hexadecimal.refine(({ length }) => length === SALT_BYTES, {
    error: `must be ${SALT_BYTES} bytes in hexadecimal digits`,
  }),
});

const pack = fields({
  compression: z.enum(['lz4', 'zstd'], { error: 'must be one of: lz4, zstd' }).default('lz4'),
  blockSize: size(1, MAX_BLOCK_BYTES).optional(),
  cdc: cdc.optional(),
  encrypt: encrypt.optional(),
  message: text('a text').max(MAX_MESSAGE_LENGTH).optional(),
}).transform(
  ({ compression, blockSize, cdc, encrypt, message }): PackSpec => ({
    compression,
    blockBytes: blockSize ?? DEFAULT_BLOCK_BYTES,
    chunking: cdc,
    encryption: encrypt,
    message,
  }),
);

const step = fields({
  truncate: size().optional(),
  offset: size().optional(),
  find: text('a text').min(1, { error: 'must not be empty' }).optional(),
  rewrite: size(1).optional(),
  ...generators,
}).transform((given, context): StepSpec => {
  const { truncate, offset, find, rewrite } = given;
  const generator = generatorOf(given, context);
  if (truncate !== undefined) {
    if ([offset, find, rewrite, generator].every((other) => other === undefined)) {
      return { kind: 'truncate', length: truncate };
    }
    return refuse(context, 'truncate stands alone');
  }
  if ((offset === undefined) === (find === undefined)) {
    return refuse(context, 'must have one of: truncate, offset, find');
  }
  const place: PlaceSpec = offset === undefined ? { find: find ?? '' } : { offset };
  if (rewrite !== undefined) {
    if (generator === undefined) return { kind: 'rewrite', place, length: rewrite };
    return refuse(context, 'rewrite writes what is there: it takes no generator');
  }
  return { kind: 'write', place, generator: generator ?? withoutGenerator(context) };
});

const overlay = fields({
  file: fileName.refine((name) => !name.endsWith('.meta'), {
    error: 'must not end in .meta: that is the name of its list of pages',
  }),
  writes: z.array(step, { error: 'must be a list of steps' }),
}).transform(({ file, writes }): OverlaySpec => ({ file, steps: writes }));

export const recipeSchema: z.ZodType<RecipeSpec> = fields({
  name: fileName.optional(),
  disk: stream.optional(),
  memory: stream.optional(),
  parent: parent.optional(),
  pack: pack.optional(),
  overlay: overlay.optional(),
}).transform((given, context): RecipeSpec => {
  const { name, disk, memory, parent, overlay } = given;
  if (disk === undefined && memory === undefined) {
    return refuse(context, 'must have a stream: disk, memory or both');
  }
  if (overlay !== undefined && disk === undefined) {
    return refuse(context, 'needs a disk', ['overlay']);
  }
  return { name, disk, memory, parent, pack: given.pack ?? pack.parse({}), overlay };
});

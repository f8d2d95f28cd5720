import { z } from 'zod';
import { documentRendering } from './document.js';
import { type Fact, facts, type Rendering } from './rendering.js';
import { countOf, formatBytes, formatCount, shortBytes } from './values.js';

const blockCounts = z.object({
  data: z.number(),
  zero: z.number(),
  parent: z.number(),
  shared: z.number(),
  data_bytes: z.number(),
  zero_bytes: z.number(),
  parent_bytes: z.number(),
  stored_bytes: z.number(),
});

/** What is told of the document that `info` answers; the engine may be of another version, and say less. */
const information = z.object({
  path: z.string(),
  compression: z.string(),
  block_size: z.number(),
  variable_blocks: z.boolean(),
  generation: z.string().nullable(),
  original_size: z.number(),
  compressed_size: z.number(),
  compression_ratio: z.number(),
  streams: z.record(
    z.string(),
    z.object({ size: z.number(), index_pages: z.number(), blocks: blockCounts.optional() }),
  ),
  encryption: z.object({ cipher: z.string(), iterations: z.number() }).nullable(),
  dictionary: z.object({ length: z.number() }).nullable(),
  metadata: z.object({ length: z.number(), text: z.string().nullable() }).nullable(),
  signature: z.unknown(),
  parents: z.array(
    z.object({
      stored_path: z.string(),
      path: z.string().nullable(),
      error: z.object({ code: z.string(), message: z.string() }).optional(),
    }),
  ),
  problems: z.array(z.object({ code: z.string(), message: z.string() })),
  further_problems: z.number(),
});

type Information = z.output<typeof information>;
type BlockCounts = z.output<typeof blockCounts>;

/** What header and index say, in words; programs get the document as it is. */
export const infoRendering: Rendering<Record<string, unknown>> = {
  text(document, view) {
    const known = information.safeParse(document);
    return known.success ? inWords.text(known.data, view) : documentRendering.text(document, view);
  },
  table: documentRendering.table,
};

const inWords = facts<Information>((info) => [
  ['snapshot', info.path],
  [
    'format',
    `generation ${info.generation ?? 'not known'}, ${info.compression.toLowerCase()}, blocks of ${blockText(info)}`,
  ],
  ...Object.entries(info.streams).flatMap(([name, { size, index_pages, blocks }]): Fact[] => [
    [
      name,
      `${formatBytes(size)} (${formatCount(size)} bytes), ${countOf(index_pages, 'index page')}`,
    ],
    ...(blocks === undefined ? [] : blockFacts(name, blocks)),
  ]),
  [
    'size',
    `${formatBytes(info.original_size)} in ${formatBytes(info.compressed_size)} (${info.compression_ratio.toFixed(2)}x)`,
  ],
  [
    'encrypted',
    info.encryption === null
      ? 'no'
      : `yes, ${info.encryption.cipher}, ${formatCount(info.encryption.iterations)} iterations`,
  ],
  ['dictionary', info.dictionary === null ? 'no' : `yes, ${formatBytes(info.dictionary.length)}`],
  ['signed', info.signature === null ? 'no' : 'yes; hexz verify --key checks it'],
  ...(info.metadata === null ? [] : [['message', messageText(info.metadata)] as const]),
  ...info.parents.map((parent): Fact => ['parent', parentText(parent)]),
  ...info.problems.map(({ code, message }): Fact => ['problem', `${message} [${code}]`]),
  ...(info.further_problems === 0
    ? []
    : [['problem', `and ${formatCount(info.further_problems)} more`] as const]),
]);

const blockText = ({ block_size, variable_blocks }: Information): string =>
  variable_blocks ? `various lengths, up to ${shortBytes(block_size)}` : shortBytes(block_size);

const blockFacts = (name: string, blocks: BlockCounts): readonly Fact[] => [
  [
    `blocks of ${name}`,
    [
      `${formatCount(blocks.data)} stored (${formatBytes(blocks.data_bytes)} in ${formatBytes(blocks.stored_bytes)})`,
      `${formatCount(blocks.shared)} of them shared`,
      `${formatCount(blocks.zero)} zero (${formatBytes(blocks.zero_bytes)})`,
      `${formatCount(blocks.parent)} from the parent (${formatBytes(blocks.parent_bytes)})`,
    ].join(', '),
  ],
];

const messageText = ({ length, text }: { length: number; text: string | null }): string =>
  text ?? `${countOf(length, 'byte')} that are not shown`;

const parentText = ({ stored_path, path, error }: Information['parents'][number]): string => {
  if (error !== undefined) return `${stored_path}: ${error.message} [${error.code}]`;
  return path === null || path === stored_path ? stored_path : `${stored_path}, found as ${path}`;
};

import type { CommitPlan, CommitReport } from '../../engine/control/protocol/commit.js';
import { type Fact, facts } from './rendering.js';
import { countOf, formatBytes, formatCount } from './values.js';

/*
 * What is said of snapshots that are made, by `hexz pack` and `hexz commit`, too.
 */

type Blocks = Partial<
  Record<'encodedBlocks' | 'copiedBlocks' | 'sharedBlocks' | 'zeroBlocks' | 'parentBlocks', number>
>;

/** What became of blocks, in words. */
export function blocksText(blocks: Blocks): string {
  const parts = [
    [blocks.encodedBlocks, 'written'],
    [blocks.copiedBlocks, 'copied as stored'],
    [blocks.sharedBlocks, 'shared'],
    [blocks.zeroBlocks, 'zero'],
    [blocks.parentBlocks, 'from the parent'],
  ] as const;
  const said = parts.flatMap(([count = 0, what]) =>
    count === 0 ? [] : [`${formatCount(count)} ${what}`],
  );
  return said.length === 0 ? 'none' : said.join(', ');
}

/** "1.00 GiB of streams in 403.17 MiB (2.54x)" */
export function sizeText({ streams, fileBytes }: SizedSnapshot): string {
  const logical = Object.values(streams).reduce((sum, { length }) => sum + length, 0);
  const ratio = logical === 0 ? '' : ` (${(logical / fileBytes).toFixed(2)}x)`;
  return `${formatBytes(logical)} in ${formatBytes(fileBytes)}${ratio}`;
}

interface SizedSnapshot {
  readonly streams: Readonly<Record<string, { readonly length: number }>>;
  readonly fileBytes: number;
}

/** How it is known that a commit has made what it should. */
export const verifiedText = ({
  verified: { blocks, bytes, isWhole },
}: Pick<CommitReport, 'verified'>): string =>
  isWhole
    ? `every byte (${formatBytes(bytes)}, ${countOf(blocks, 'block')}) read back and compared`
    : `${countOf(blocks, 'block')} (${formatBytes(bytes)}) read back and compared`;

const overlayTexts = {
  deleted: 'deleted',
  kept: 'kept, on its base',
  rebound: 'kept, on the new snapshot',
} as const;

/** What a commit has made, or would make. */
export const commitRendering = facts<CommitReport | CommitPlan>((result) => [
  ...('output' in result ? madeFacts(result) : plannedFacts(result)),
]);

const madeFacts = (report: CommitReport): readonly Fact[] => {
  return [
    ['Committed', countOf(report.committedPages, 'page'), report.committedPages],
    ['To', report.output],
    ['Base', `${report.base} (${formatBytes(report.baseBytes)})`, report.base],
    ['Size', sizeText(report), report.fileBytes],
    ...Object.entries(report.streams).map(
      ([name, blocks]): Fact => [`Blocks of ${name}`, blocksText(blocks)],
    ),
    [
      'Overlay',
      `${overlayTexts[report.overlay]}; ${countOf(report.remainingPages, 'page')} left out`,
      report.overlay,
    ],
    ['Verified', verifiedText(report), report.verified.blocks],
    ['Encoder', report.encoder],
    ['Time', `${report.seconds.toFixed(2)} s`, report.seconds],
    ...report.warnings.map((warning): Fact => ['Warning', warning]),
  ];
};

/** What the blocks of streams would take, and how far that is known. */
export function estimateText({
  estimatedStoredBytes,
  maximumStoredBytes,
  sampledBlocks,
  encodedBlocks,
}: Pick<
  NonNullable<CommitPlan['streams']['disk']>,
  'estimatedStoredBytes' | 'maximumStoredBytes' | 'sampledBlocks' | 'encodedBlocks'
>): string {
  if (encodedBlocks === 0) return formatBytes(estimatedStoredBytes);
  const part =
    sampledBlocks < encodedBlocks
      ? `, by ${formatCount(sampledBlocks)} of ${countOf(encodedBlocks, 'block')}`
      : '';
  return `about ${formatBytes(estimatedStoredBytes)} (estimated${part}), at most ${formatBytes(maximumStoredBytes)}`;
}

const plannedFacts = (plan: CommitPlan): readonly Fact[] => [
  [
    'Would commit',
    `${countOf(plan.committedPages, 'page')} (${formatBytes(plan.committedBytes)})`,
    plan.committedPages,
  ],
  ['Would leave out', countOf(plan.remainingPages, 'page'), plan.remainingPages],
  ...Object.entries(plan.streams).flatMap(([name, stream]): Fact[] => [
    [`Blocks of ${name}`, blocksText(stream)],
    [
      `Stored of ${name}`,
      `${estimateText(stream)}, of ${formatBytes(stream.length)}`,
      stream.estimatedStoredBytes,
    ],
  ]),
];

import { HexzError } from '../engine/errors.js';
import type { EngineOptions } from './inspectedEngine.js';

/** Where commands come from that nobody types. */
export type ScriptSource =
  | { readonly kind: 'commands'; readonly text: string }
  /** `-` is standard input. */
  | { readonly kind: 'file'; readonly path: string };

export interface InspectCommandOptions extends EngineOptions {
  readonly attach?: string;
  /** What -c and --script name, in the order of the command line. */
  readonly sources: readonly ScriptSource[];
  readonly plain?: boolean;
  readonly altScreen: boolean;
  readonly mouse: boolean;
}

/** @throws HexzError USAGE */
export function checkOptions(
  path: string | undefined,
  mountpoint: string | undefined,
  options: InspectCommandOptions,
): void {
  const { attach, sources, mount } = options;
  if ((path === undefined) === (attach === undefined)) {
    throw new HexzError('USAGE', 'name either a snapshot, or with --attach a mount', {
      hint: 'hexz inspect SNAPSHOT [MOUNTPOINT], or hexz inspect --attach MOUNTPOINT',
    });
  }
  if (sources.filter((source) => isStandardInput(source)).length > 1) {
    throw new HexzError('USAGE', '--script - reads standard input to its end: give it once');
  }
  if (mountpoint !== undefined && !mount) {
    throw new HexzError('USAGE', 'a mountpoint and --no-mount contradict each other');
  }
  if (options.nbd === true && !mount) {
    throw new HexzError('USAGE', '--nbd and --no-mount contradict each other');
  }
  const startOption = (
    ['rw', 'overlay', 'force', 'allowOther', 'backend', 'nbd', 'partition'] as const
  ).find((name) => options[name]);
  if (attach !== undefined && (startOption !== undefined || !mount)) {
    throw new HexzError(
      'USAGE',
      '--attach takes an engine as it is, without options for starting one',
    );
  }
}

export const isStandardInput = (source: ScriptSource): boolean =>
  source.kind === 'file' && source.path === '-';

export const isInteractive = ({ sources, json }: InspectCommandOptions): boolean =>
  sources.length === 0 &&
  json !== true &&
  process.stdin.isTTY === true &&
  process.stdout.isTTY === true;

/** The remedy of the one thing that is missing may be followed by others: `doctor` knows all. */
export const whyUnmounted = (problem: HexzError): string =>
  `Not mounted: ${problem.message}; hexz doctor says what mends it`;

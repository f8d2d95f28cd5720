import { HexzError } from '../engine/errors.js';
import { buildFixtures, type Fixture } from '../engine/write/recipe/fixtures.js';
import { formatBytes, printable, printJson } from './output.js';
import { ProgressBar } from './progress.js';
import { SignalGuard } from './signalGuard.js';

export interface FixtureBuildOptions {
  readonly output?: string;
  readonly check?: boolean;
  readonly update?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/**
 * `hexz fixture build RECIPE... [-o DIR] [--check | --update] [--force] [--json]`; answers with the exit status.
 */
export async function build(
  recipes: readonly string[],
  options: FixtureBuildOptions,
): Promise<number> {
  const { check = false, update = false, output, force = false } = options;
  if (check && (update || force || output !== undefined)) {
    throw new HexzError(
      'USAGE',
      '--check writes nothing: it goes without -o, --update and --force',
    );
  }
  const purpose = check ? 'check' : update ? 'update' : 'build';
  const fixtures = await SignalGuard.run((guard) =>
    withProgress((onProgress) =>
      buildFixtures({
        recipes,
        directory: output ?? '.',
        purpose,
        force,
        signal: guard.abortSignal(),
        onProgress,
      }),
    ),
  );
  const errors = check ? fixtures.flatMap((fixture) => errorOf(fixture) ?? []) : [];
  for (const fixture of fixtures) warn(fixture, check);
  for (const error of errors) process.stderr.write(`hexz: ${printable(error.toLine())}\n`);
  if (options.json === true) {
    printJson({
      ok: errors.length === 0,
      fixtures: fixtures.map((fixture) => toJson(fixture, check)),
    });
  } else {
    process.stdout.write(fixtures.map((fixture) => `${toText(fixture)}\n`).join(''));
  }
  return errors[0]?.exitStatus ?? 0;
}

type OnProgress = NonNullable<Parameters<typeof buildFixtures>[0]['onProgress']>;

/** Draws a bar for every snapshot that is packed. */
async function withProgress<T>(job: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  const bar = new ProgressBar('', undefined);
  let drawn = '';
  try {
    return await job(({ name, doneBytes, totalBytes }) => {
      if (drawn !== name) bar.restart(`pack ${printable(name)}`, totalBytes);
      drawn = name;
      bar.update(doneBytes);
    });
  } finally {
    bar.clear();
  }
}

const UPDATE_HINT = 'hexz fixture build --update records what the recipe makes now';

/** Why a check of it failed. */
function errorOf({ recipe, lock, state, differences }: Fixture): HexzError | undefined {
  const location = { file: recipe };
  if (state === 'none') {
    return new HexzError('FIXTURE_MISMATCH', `there is no lock file ${lock}`, {
      location,
      hint: UPDATE_HINT,
    });
  }
  if (state === 'tool-differs') {
    return new HexzError('FIXTURE_TOOL_DIFFERS', differences.join('; '), { location });
  }
  if (state !== 'mismatch') return undefined;
  return new HexzError('FIXTURE_MISMATCH', differences.join('; '), { location, hint: UPDATE_HINT });
}

function warn({ recipe, lock, state, differences, warnings }: Fixture, isCheck: boolean): void {
  const isOther = !isCheck && (state === 'mismatch' || state === 'tool-differs');
  const texts = isOther
    ? [`${lock} does not agree: ${differences.join('; ')}`, ...warnings]
    : warnings;
  for (const text of texts) {
    process.stderr.write(`hexz: warning: ${printable(`${recipe}: ${text}`)}\n`);
  }
}

const toJson = (fixture: Fixture, isCheck: boolean): unknown => {
  const error = isCheck ? errorOf(fixture) : undefined;
  return {
    recipe: fixture.recipe,
    state: fixture.state,
    lock: fixture.lock,
    tools: fixture.tools,
    files: fixture.files,
    differences: fixture.differences,
    warnings: fixture.warnings,
    ...(error === undefined ? {} : { error }),
  };
};

const stateWords: Readonly<Record<Fixture['state'], string>> = {
  same: 'as locked',
  mismatch: 'NOT AS LOCKED',
  'tool-differs': 'not comparable with its lock: other tools',
  none: 'not locked',
  renewed: 'locked anew',
};

function toText({ recipe, state, files }: Fixture): string {
  const lines = files.map(({ name, path, bytes }) => `  ${path ?? name}  ${formatBytes(bytes)}`);
  return [`${recipe}: ${stateWords[state]}`, ...lines].map(printable).join('\n');
}

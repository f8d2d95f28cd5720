import { asHexzError, type HexzError } from '../engine/errors.js';
import { snapshotState } from '../engine/process/servedState.js';
import type { Opening } from '../tui/opening.js';
import type { InspectedEngine } from './inspectedEngine.js';
import { checkOptions, type InspectCommandOptions, isInteractive } from './inspectOptions.js';
import { goOnWithoutOutput, reportError } from './output.js';
import { openWithPasswords } from './password.js';
import { hasBeenEmpty, hasInput } from './standardInput.js';

/**
 * `hexz inspect SNAP [MOUNTPOINT] [...]` and `hexz inspect --attach MOUNTPOINT`; answers with the exit status.
 *
 * On a terminal something is shown before most of what it takes is loaded.
 */
export async function inspect(
  path: string | undefined,
  mountpoint: string | undefined,
  options: InspectCommandOptions,
): Promise<number> {
  checkOptions(path, mountpoint, options);
  const isTyped = isInteractive(options);
  const isFed = !isTyped && options.sources.length === 0;
  const run = await runner(options);
  if (isFed && !(await hasInput())) {
    await summarize(path, options);
    return 0;
  }
  // A reader who has enough ends the script; what was begun has to be cleaned up first.
  goOnWithoutOutput();
  const engine = await begin(path, mountpoint, options, run.opening);
  let status = 0;
  let failure: HexzError | undefined;
  try {
    status = await run.with(engine);
    // Of a pipe it may turn out late that nothing comes through it.
    if (isFed && hasBeenEmpty()) await summarize(path, options);
  } catch (error) {
    failure = asHexzError(error);
  }
  run.opening?.close();
  try {
    const engineStatus = await engine.end();
    if (status === 0) status = engineStatus;
  } catch (error) {
    // What went wrong first decides the status.
    if (status !== 0 || failure !== undefined) reportError(asHexzError(error), undefined);
    else throw error;
  }
  if (failure !== undefined) throw failure;
  return status;
}

/** What is done with the engine. */
interface Runner {
  with(engine: InspectedEngine): Promise<number>;
  /** Has the terminal until the engine is there, and all the time for what is told of it. */
  readonly opening?: Opening;
}

/** @throws HexzError UNREADABLE of a script */
async function runner(options: InspectCommandOptions): Promise<Runner> {
  if (isInteractive(options) && options.plain !== true) {
    const { newOpening, showScreen } = await import('./inspectScreen.js');
    const opening = newOpening(options);
    return { opening, with: (engine) => showScreen(engine, opening) };
  }
  const { runScript, talk, textsOf } = await import('./inspectLines.js');
  if (isInteractive(options)) return { with: talk };
  const texts = textsOf(options);
  return { with: (engine) => runScript(engine, texts, options) };
}

/** @throws HexzError of the snapshot, the overlay, the mount, the engine */
async function begin(
  path: string | undefined,
  mountpoint: string | undefined,
  options: InspectCommandOptions,
  opening: Opening | undefined,
): Promise<InspectedEngine> {
  const isTyped = isInteractive(options);
  if (path === undefined) {
    const { InspectedEngine } = await import('./inspectedEngine.js');
    return InspectedEngine.attach(options.attach ?? '', isTyped);
  }
  const { snapshot, passwords } = await openWithPasswords(path, options);
  const { rw = false, mount } = options;
  opening?.open({ snapshot: snapshotState(snapshot), isWritable: rw, isMounted: mount });
  // The engine opens it for itself; here it was to be found out whether that can work.
  snapshot.close();
  try {
    const { InspectedEngine } = await import('./inspectedEngine.js');
    const started = InspectedEngine.start(
      path,
      mountpoint,
      { ...options, passwords },
      isTyped ? 'terminal' : 'bound',
      // A screen has errors of the mount in its log.
      opening === undefined ? undefined : { warning: opening.tell, error: () => {} },
    );
    // Meanwhile; what is wrong with it shows when it is used.
    if (opening !== undefined) loadScreenEarly().catch(() => {});
    return await started;
  } catch (error) {
    opening?.close();
    throw error;
  }
}

async function summarize(path: string | undefined, options: InspectCommandOptions): Promise<void> {
  const { summarize } = await import('./inspectSummary.js');
  await summarize(path, options);
}

async function loadScreenEarly(): Promise<void> {
  const { loadScreen } = await import('./inspectScreen.js');
  await loadScreen();
}

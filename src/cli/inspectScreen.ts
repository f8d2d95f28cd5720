import { hasColours } from '../repl/rendering/hexView.js';
import { Theme } from '../tui/drawing/theme.js';
import { Opening } from '../tui/opening.js';
import type { InspectedEngine } from './inspectedEngine.js';
import { type InspectCommandOptions, whyUnmounted } from './inspectOptions.js';

export function newOpening({ altScreen, mouse }: InspectCommandOptions): Opening {
  const { TERM = '', COLORTERM = '' } = process.env;
  const hasManyColours = TERM.includes('256color') || COLORTERM !== '';
  const theme = new Theme({ isColoured: hasColours(), hasManyColours });
  const options = {
    input: process.stdin,
    output: process.stdout,
    usesAlternateScreen: altScreen,
    usesMouse: mouse,
    asksBackground: theme.dependsOnBackground,
  };
  return new Opening(options, theme);
}

/** A person at a terminal that can show a screen. */
export async function showScreen(engine: InspectedEngine, opening: Opening): Promise<number> {
  const { runScreen, Session, History } = await loadScreen();
  if (opening.isLeft) return 0;
  const { client, isOurs, mountProblem } = engine;
  ({ keepsOverlay: engine.keepsOverlay } = await runScreen({
    session: new Session(client, { ownsEngine: isOurs }),
    history: new History(),
    endsEngine: isOurs,
    banner: mountProblem === undefined ? undefined : whyUnmounted(mountProblem),
    opening,
    input: process.stdin,
    output: process.stdout,
  }));
  return 0;
}

/**
 * What the screen is made of; to be called early, as it takes a while. React looks once, when it is loaded, whether it is
 * to check everything at each paint. Programs need not know.
 */
export async function loadScreen() {
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV ??= 'production';
  try {
    const { runScreen } = await import('../tui/run.js');
    const { Session } = await import('../repl/session.js');
    const { History } = await import('../repl/history.js');
    return { runScreen, Session, History };
  } finally {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
  }
}

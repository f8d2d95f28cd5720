import type { ReadStream, WriteStream } from 'node:tty';
import { render } from 'ink';
import type { History } from '../repl/history.js';
import type { Session } from '../repl/session.js';
import { App } from './app.js';
import type { Opening } from './opening.js';
import { type Leaving, Screen } from './screen.js';
import { Painter } from './terminal/painter.js';

export interface RunScreenOptions {
  readonly session: Session;
  readonly history: History;
  readonly endsEngine: boolean;
  readonly banner?: string | undefined;
  /** What has the terminal until now; whoever opened it closes it. */
  readonly opening: Opening;
  readonly input: ReadStream;
  readonly output: WriteStream;
}

const SIGNALS = ['SIGHUP', 'SIGTERM', 'SIGINT'] as const;

/**
 * Shows the screen until the person leaves, or the terminal goes.
 *
 * @throws HexzError ENGINE_GONE when there is no engine from the start
 */
export async function runScreen(options: RunScreenOptions): Promise<Leaving> {
  const { input, output, opening } = options;
  const { terminal, theme } = opening;
  const painter = new Painter(output);
  const app = () => <App screen={screen} size={terminal.size} />;
  /** What a terminal shows after a resize, or behind another program, nobody knows. */
  const redraw = (): void => {
    painter.forget();
    terminal.clear();
    instance.rerender(app());
  };
  const take = terminal.enter.bind(terminal, (typed) => screen.take(typed));
  const suspend = (): void => {
    terminal.leave();
    process.once('SIGCONT', () => {
      take();
      redraw();
    });
    process.kill(process.pid, 'SIGTSTP');
  };
  const screen = await Screen.open({ ...options, theme, suspend, redraw });
  const sendAway = (): void => screen.sendAway();
  for (const signal of SIGNALS) process.on(signal, sendAway);
  input.once('end', sendAway);
  const typed = opening.handOver();
  take();
  const instance = render(app(), {
    stdout: painter.stream,
    stdin: input,
    // Frames as they are made; when, the clock decides.
    debug: true,
    patchConsole: false,
    exitOnCtrlC: false,
  });
  output.on('resize', redraw);
  for (const each of typed) screen.take(each);
  try {
    return await screen.leaving;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, sendAway);
    output.removeListener('resize', redraw);
    input.removeListener('end', sendAway);
    screen.stop();
    painter.stop();
    instance.unmount();
  }
}

import { basename } from 'node:path';
import type { ReadStream, WriteStream } from 'node:tty';
import type { EngineState } from '../engine/control/protocol/engineState.js';
import { lexicalRules } from './commands/all.js';
import { complete } from './completion.js';
import type { History } from './history.js';
import { scan } from './language/lexer.js';
import { Source } from './language/source.js';
import { LineEditor } from './lineEditor.js';
import { streamOutput } from './output.js';
import { ProgressLine } from './progressLine.js';
import { paint, type View } from './rendering/rendering.js';
import { countOf, printable } from './rendering/values.js';
import { TextReporter } from './report.js';
import { runText } from './script.js';
import type { Session } from './session.js';

export interface InteractiveOptions {
  readonly session: Session;
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly history: History;
  readonly isColoured: boolean;
  /** Whether leaving ends the engine, so that changes in a temporary overlay would be lost. */
  readonly endsEngine: boolean;
}

/** How a person has left. */
export interface Leaving {
  /** Whether a temporary overlay is to stay. */
  readonly keepsOverlay: boolean;
}

const DEFAULT_PAGER = 'less -FRX';
const NOTICE_RATE_HZ = 0.5;

/**
 * The loop on a terminal: a prompt, a line, what it answers.
 *
 *   state      begins with                     Ctrl+C                  Ctrl+D, `quit`
 *   prompting  the start, the end of a line    empties the line        leaving
 *   running    a complete line                 cancels the command     are read when it has ended
 *   leaving    Ctrl+D, `quit`                  prompting               leaves; asks before, if changes would be lost
 *
 * Notices come at any time; they are shown above the line that is being typed.
 */
export class Interactive {
  readonly #options: InteractiveOptions;
  readonly #view: View;
  readonly #editor: LineEditor;
  #running: AbortController | undefined;
  #isSentAway = false;
  #isGone = false;
  #mountpoint: string | null = null;

  constructor(options: InteractiveOptions) {
    this.#options = options;
    const { session, input, output, history, isColoured } = options;
    this.#view = { isColoured, columns: output.columns };
    this.#editor = new LineEditor(input, output, history.lines, (line) => complete(session, line));
    void session.client.closed.then(() => {
      this.#isGone = true;
      this.#editor.stop();
    });
  }

  /**
   * Goes on until the person leaves.
   *
   * @throws HexzError ENGINE_GONE
   */
  async run(): Promise<Leaving> {
    const { session } = this.#options;
    const watching = new AbortController();
    void this.#watch(watching.signal);
    try {
      for (;;) {
        const text = await this.#ask();
        if (text !== undefined) await this.#execute(text);
        if (this.#isSentAway) return { keepsOverlay: true };
        if (session.hasLostEngine) throw session.engineGone();
        if (this.#isGone) return { keepsOverlay: false };
        if (text !== undefined && !session.isOver) continue;
        const leaving = await this.#leave();
        if (leaving !== undefined) return leaving;
      }
    } finally {
      watching.abort();
    }
  }

  /** Ends the loop without asking: what was changed stays. */
  sendAway(): void {
    this.#isSentAway = true;
    this.#running?.abort();
    this.#editor.stop();
  }

  /** A line that says something that happened meanwhile. */
  notice(text: string): void {
    this.#editor.show(`${paint('note:', 'dirty', this.#view)} ${printable(text)}`);
  }

  /** What was typed until it was complete; undefined at the end of the input. */
  async #ask(): Promise<string | undefined> {
    let text = '';
    for (;;) {
      const typed = await this.#editor.ask(text === '' ? await this.#prompt() : '... ');
      if (typed.kind === 'end' || this.#isSentAway) return undefined;
      if (typed.kind === 'interrupt') {
        text = '';
        continue;
      }
      text += text === '' ? typed.text : `\n${typed.text}`;
      if (text !== '' && scan(text, lexicalRules).open === undefined) break;
    }
    this.#options.history.add(text);
    return text;
  }

  async #execute(text: string): Promise<void> {
    const { session, output, isColoured } = this.#options;
    const controller = new AbortController();
    const cancel = (): void => controller.abort();
    const progress = new ProgressLine(streamOutput(output));
    const reporter = new TextReporter(
      { output: progress, errors: progress },
      { isColoured, columns: output.columns },
      { isTyped: true, pager: process.env.PAGER || DEFAULT_PAGER, progress },
    );
    process.on('SIGINT', cancel);
    this.#running = controller;
    try {
      await runText(session, new Source(text), reporter, controller.signal);
    } finally {
      this.#running = undefined;
      process.removeListener('SIGINT', cancel);
    }
  }

  /** `web-01.hxz (rw, 37 dirty)> ` */
  async #prompt(): Promise<string> {
    if (this.#isGone || this.#isSentAway) return '';
    const { snapshot, mount, overlay } = await this.#options.session.client.request('state', {});
    this.#mountpoint = mount?.mountpoint ?? null;
    const condition = [overlay?.isWritable === true ? 'rw' : 'ro'];
    if (mount === null) condition.push('not mounted');
    if (overlay !== null && overlay.dirtyPages > 0) {
      condition.push(paint(`${overlay.dirtyPages} dirty`, 'dirty', this.#view));
    }
    return `${printable(basename(snapshot.path))} (${condition.join(', ')})> `;
  }

  /** Asks if something would be lost; undefined for staying. */
  async #leave(): Promise<Leaving | undefined> {
    const { session, endsEngine } = this.#options;
    if (!endsEngine) return { keepsOverlay: false };
    const { overlay } = await session.client.request('state', {});
    if (overlay === null || !overlay.isTemporary || overlay.dirtyPages === 0) {
      return { keepsOverlay: false };
    }
    const pages = countOf(overlay.dirtyPages, 'changed page');
    const question = `The temporary overlay holds ${pages}. Leave and lose them? yes, no, or keep the overlay: `;
    const typed = await this.#editor.question(question);
    const answer = typed.kind === 'line' ? typed.text.trim().toLowerCase() : 'no';
    if (/^k(eep)?$/.test(answer)) return { keepsOverlay: true };
    if (/^y(es)?$/.test(answer)) return { keepsOverlay: false };
    session.goOn();
    return undefined;
  }

  /** Tells of what others do: that they unmount, and what the engine's log says. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { client } = this.#options.session;
    const params = { rateHz: NOTICE_RATE_HZ, maximumEvents: 0 };
    try {
      for await (const batch of client.stream('watch', params, { signal }).batches()) {
        for (const item of batch) {
          if ('log' in item && item.log.level !== 'info') this.notice(item.log.text);
          if ('state' in item) this.#compare(item.state);
        }
      }
    } catch {
      // The end of the engine is met elsewhere.
    }
  }

  #compare({ mount }: EngineState): void {
    const before = this.#mountpoint;
    this.#mountpoint = mount?.mountpoint ?? null;
    // What happens while a command runs is most likely what it does.
    if (before === null || mount !== null || this.#running !== undefined) return;
    this.notice(`${before} was unmounted from outside; mount DIRECTORY mounts it again`);
  }
}

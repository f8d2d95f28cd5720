import { basename, resolve } from 'node:path';
import type { CommitPlan, CommitReport } from '../../../engine/control/protocol/commit.js';
import { asHexzError } from '../../../engine/errors.js';
import type { ParsedValues } from '../../../repl/commands/definition.js';
import { countOf, formatBytes, printable } from '../../../repl/rendering/values.js';
import { Pace } from '../../model/pace.js';
import type { ScreenContext } from '../view.js';
import type { CommitCommand } from './reviewBindings.js';

/** What is to be made. */
export interface CommitSettings {
  readonly output: string | undefined;
  readonly thin: boolean;
  readonly compression: 'lz4' | 'zstd';
  readonly message: string;
  /** Whether every byte is read back and compared, or only what was written anew. */
  readonly verifiesAll: boolean;
}

/** How far it is. */
export interface CommitProgress {
  readonly phase: string;
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
  /** A person wants it to end, which takes its time. */
  readonly isCancelling: boolean;
}

/** Everything else changes nothing of what is stored. */
const whatPlansNeed = ({ thin, compression }: CommitSettings): string =>
  `${thin ? 'thin' : 'thick'} ${compression}`;

/** A bar needs no more paints than this. */
const PROGRESS_MS = 250;
/** A plan needs no output. */
const NO_OUTPUT = '/dev/null';

/** Options of the command that the panel does not have. */
const OTHER_OPTIONS = ['blockSize', 'dropMemory', 'all', 'newPasswordFile', 'force'] as const;

/**
 * A commit as it is prepared and made.
 *
 *   state      shows                begins with
 *   planning   what it would make   the start, other settings, another review
 *   running    how far it is        `run`, when what it would make was shown for these settings
 *   done       what was made        the end of it, until the settings change
 */
export class Commit {
  settings: CommitSettings = {
    output: undefined,
    thin: false,
    compression: 'lz4',
    message: '',
    verifiesAll: false,
  };
  plan: CommitPlan | undefined;
  /** Why there is no plan. */
  planError: string | undefined;
  progress: CommitProgress | undefined;
  report: CommitReport | undefined;
  readonly #context: ScreenContext;
  readonly #pace = new Pace({ factor: 1, leastMs: 500 });
  #running: AbortController | undefined;
  /** What the plan is of. */
  #plannedFor = '';
  #plannedRevision = -1;
  /** That of the review as it was last looked at. */
  #revision = -1;
  #isPlanning = false;

  constructor(context: ScreenContext) {
    this.#context = context;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  #change(settings: Partial<CommitSettings>): void {
    this.settings = { ...this.settings, ...settings };
    this.report = undefined;
    if (!this.#isShown) this.plan = undefined;
    this.#pace.hurry();
    this.#context.changed();
  }

  /** Says that somebody looks, at a review of this revision. Plans anew what has changed. */
  look(revision: number): void {
    this.#revision = revision;
    if (this.#isCurrent || this.#isPlanning || this.isRunning) return;
    const { restMs } = this.#pace;
    if (restMs > 0) this.#context.changedIn(restMs);
    else void this.#makePlan(revision);
  }

  perform(command: CommitCommand): void {
    const { settings } = this;
    switch (command) {
      case 'commit':
        void this.#run();
        return;
      case 'output':
        void this.#askOutput();
        return;
      case 'message':
        void this.#askMessage();
        return;
      case 'thin':
        this.#change({ thin: !settings.thin });
        return;
      case 'compression':
        this.#change({ compression: settings.compression === 'lz4' ? 'zstd' : 'lz4' });
        return;
      case 'verify':
        this.#change({ verifiesAll: !settings.verifiesAll });
        return;
      case 'cancel':
        this.#cancel();
    }
  }

  #cancel(): void {
    if (this.#running === undefined || this.progress === undefined) return;
    this.#running.abort();
    this.progress = { ...this.progress, isCancelling: true };
    this.#context.changedNow();
  }

  /** Asks where it is to be made. */
  async #askOutput(): Promise<boolean> {
    const { path } = this.#context.engine.state.snapshot;
    const suggested = `${basename(path).replace(/\.hxz$/, '')}-patched.hxz`;
    const text = await this.#context.askLine(
      'commit to the file: ',
      this.settings.output ?? suggested,
    );
    if (text === undefined || text.trim() === '') return false;
    this.#change({ output: resolve(text.trim()) });
    return true;
  }

  async #askMessage(): Promise<void> {
    const text = await this.#context.askLine('message of the commit: ', this.settings.message);
    if (text !== undefined) this.#change({ message: text.trim() });
  }

  /** Makes it, if what it will be was shown. Asks before anything is replaced. */
  async #run(): Promise<void> {
    if (this.isRunning) return;
    if (this.settings.output === undefined && !(await this.#askOutput())) return;
    if (this.#isCurrent) await this.#make(this.settings, false);
    else this.#context.say('what it would make is shown in a moment; c makes it then');
  }

  /**
   * Shows what a typed command has planned or made.
   *
   * @returns false for one with options that the panel does not show
   */
  show(result: CommitPlan | CommitReport, values: ParsedValues): boolean {
    const { output, thin, compression, message, verifyAll } = values;
    if (OTHER_OPTIONS.some((name) => values[name] !== undefined && values[name] !== false)) {
      return false;
    }
    this.#change({
      output: typeof output === 'string' ? output : undefined,
      thin: thin === true,
      compression: compression === 'zstd' ? 'zstd' : 'lz4',
      message: typeof message === 'string' ? message : '',
      verifiesAll: verifyAll === true,
    });
    if ('fileBytes' in result) this.report = result;
    return true;
  }

  /** Whether it is shown what would be made with the settings as they are, or why nothing can be. */
  get #isShown(): boolean {
    return this.#plannedFor === whatPlansNeed(this.settings);
  }

  /** Whether that is of the review as it is, too. */
  get #isCurrent(): boolean {
    return this.#isShown && this.#plannedRevision === this.#revision;
  }

  async #makePlan(revision: number): Promise<void> {
    const { settings } = this;
    this.#isPlanning = true;
    this.#pace.begin();
    let plan: CommitPlan | undefined;
    this.planError = undefined;
    try {
      const { client } = this.#context.session;
      plan = await client.request('planCommit', paramsOf(settings));
    } catch (error) {
      this.#pace.failed(error);
      this.planError = asHexzError(error).toLine();
    }
    this.#plannedFor = whatPlansNeed(settings);
    // The settings may be others by now.
    this.plan = this.#isShown ? plan : undefined;
    this.#plannedRevision = revision;
    this.#isPlanning = false;
    this.#pace.end();
    // A person has changed something meanwhile, and waits.
    if (!this.#isShown) this.#pace.hurry();
    this.#context.changed();
  }

  async #make(settings: CommitSettings, force: boolean): Promise<void> {
    const controller = new AbortController();
    const { client } = this.#context.session;
    this.#running = controller;
    this.report = undefined;
    this.progress = { phase: 'write', doneBytes: 0, totalBytes: undefined, isCancelling: false };
    let failure: unknown;
    try {
      this.report = await client.request(
        'commit',
        { ...paramsOf(settings), force },
        {
          signal: controller.signal,
          onProgress: ({ phase = 'write', doneBytes, totalBytes }) => {
            this.progress = {
              phase,
              doneBytes,
              totalBytes,
              isCancelling: controller.signal.aborted,
            };
            this.#context.changedIn(PROGRESS_MS);
          },
        },
      );
    } catch (error) {
      failure = error;
    }
    this.#running = undefined;
    this.progress = undefined;
    await this.#tell(settings, failure);
  }

  async #tell(settings: CommitSettings, failure: unknown): Promise<void> {
    const { report } = this;
    if (report !== undefined) {
      const pages = countOf(report.committedPages, 'page');
      const file = `${printable(report.output)}, ${formatBytes(report.fileBytes)}`;
      this.#context.say(`committed ${pages} to ${file}`, 'good');
      return;
    }
    const { code } = asHexzError(failure);
    if (code === 'CANCELLED') {
      this.#context.say('the commit was cancelled; nothing was made');
    } else if (code === 'OUTPUT_EXISTS') {
      const name = printable(settings.output ?? '');
      const answer = await this.#context.choose(`${name} exists.`, [
        { answer: 'replace', key: 'y', label: 'replace it' },
      ]);
      if (answer !== undefined) await this.#make(settings, true);
    } else {
      this.#context.fail(failure);
    }
  }
}

const paramsOf = ({ output, thin, compression, message, verifiesAll }: CommitSettings) => ({
  output: output ?? NO_OUTPUT,
  thin,
  compression,
  verifiesAll,
  ...(message === '' ? {} : { message }),
});

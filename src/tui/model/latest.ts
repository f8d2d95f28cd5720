import { asHexzError, type HexzError } from '../../engine/errors.js';

interface Answered<Question, Answer> {
  readonly question: Question;
  /** Undefined when it could not be answered. */
  readonly answer: Answer | undefined;
  readonly error: HexzError | undefined;
}

/**
 * The answer to what is asked for with every paint, and may be another thing each time.
 *
 *   state     `want` of the same question   of another one
 *   empty     asks                          asks
 *   asking    waits                         waits: the paint behind the answer asks
 *   answered  answers                       asks
 *   stale     answers what was, and asks    asks
 *
 * Invariant: one request runs at most. An error is an answer, so that it is not asked for again at once.
 */
export class Latest<Question, Answer> {
  readonly #ask: (question: Question) => Promise<Answer>;
  readonly #isSame: (left: Question, right: Question) => boolean;
  readonly #changed: () => void;
  #last: Answered<Question, Answer> | undefined;
  #isAsking = false;
  #isStale = false;

  constructor(
    ask: (question: Question) => Promise<Answer>,
    isSame: (left: Question, right: Question) => boolean,
    changed: () => void,
  ) {
    this.#ask = ask;
    this.#isSame = isSame;
    this.#changed = changed;
  }

  /** What is known of it by now. */
  want(question: Question): Answered<Question, Answer> | undefined {
    const last = this.#last;
    const isKnown = last !== undefined && this.#isSame(last.question, question);
    if (!this.#isAsking && (!isKnown || this.#isStale)) void this.#run(question);
    return isKnown ? last : undefined;
  }

  /** What was answered last, to whatever question. */
  get last(): Answered<Question, Answer> | undefined {
    return this.#last;
  }

  /** The answer may be another one by now. */
  invalidate(): void {
    this.#isStale = true;
  }

  async #run(question: Question): Promise<void> {
    this.#isAsking = true;
    this.#isStale = false;
    try {
      this.#last = { question, answer: await this.#ask(question), error: undefined };
    } catch (error) {
      this.#last = { question, answer: undefined, error: asHexzError(error) };
    }
    this.#isAsking = false;
    this.#changed();
  }
}

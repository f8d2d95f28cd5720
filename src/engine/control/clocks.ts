import type { ActivityMoment, ActivitySample, ActivitySampler } from '../activity/sampler.js';

/** What a watch looks at when its clock ticks. */
export interface Tick {
  readonly moment: ActivityMoment;
  readonly overlay: { readonly dirtyPages: number; readonly diskLength: number };
  /** JSON text of an item with a sample of that moment. */
  textOf(sample: ActivitySample): string;
}

/** What is told of every tick. */
interface Ticking {
  tick(tick: Tick): void;
}

interface Clock {
  readonly timer: NodeJS.Timeout;
  readonly watches: Set<Ticking>;
}

/**
 * One clock for all watches of one rate: their thread wakes up once for all of them, and a sample that several get is
 * taken and written out as JSON once.
 *
 * Invariant: a rate has a clock exactly while somebody watches at that rate.
 */
export class Clocks {
  readonly #sampler: ActivitySampler;
  readonly #overlay: () => Tick['overlay'];
  readonly #clocks = new Map<number, Clock>();

  constructor(sampler: ActivitySampler, overlay: () => Tick['overlay']) {
    this.#sampler = sampler;
    this.#overlay = overlay;
  }

  add(rateHz: number, watch: Ticking): void {
    const clock = this.#clocks.get(rateHz) ?? this.#begin(rateHz);
    clock.watches.add(watch);
  }

  remove(rateHz: number, watch: Ticking): void {
    const clock = this.#clocks.get(rateHz);
    if (clock?.watches.delete(watch) !== true || clock.watches.size > 0) return;
    clearInterval(clock.timer);
    this.#clocks.delete(rateHz);
  }

  #begin(rateHz: number): Clock {
    const watches = new Set<Ticking>();
    const timer = setInterval(() => {
      const tick = this.#tick();
      for (const watch of watches) watch.tick(tick);
    }, 1000 / rateHz);
    const clock = { timer, watches };
    this.#clocks.set(rateHz, clock);
    return clock;
  }

  #tick(): Tick {
    const overlay = this.#overlay();
    const texts = new Map<ActivitySample, string>();
    const sampler = this.#sampler;
    let moment: ActivityMoment | undefined;
    return {
      // Where all stall, nobody looks.
      get moment() {
        moment ??= sampler.moment();
        return moment;
      },
      overlay,
      textOf(sample) {
        const made = texts.get(sample) ?? JSON.stringify({ activity: { ...sample, ...overlay } });
        texts.set(sample, made);
        return made;
      },
    };
  }
}

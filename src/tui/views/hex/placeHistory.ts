const MAX_PLACES = 256;

/**
 * Places one has been at, as a browser keeps them.
 *
 * State: `#past` with the last one at its end, `#future` likewise; where one is belongs to neither.
 */
export class PlaceHistory<Place> {
  #past: Place[] = [];
  #future: Place[] = [];

  /** One is about to leave a place for a far one. */
  leave(place: Place): void {
    this.#past.push(place);
    if (this.#past.length > MAX_PLACES) this.#past.shift();
    this.#future = [];
  }

  /** @param here where one is */
  back(here: Place): Place | undefined {
    return exchange(this.#past, this.#future, here);
  }

  forward(here: Place): Place | undefined {
    return exchange(this.#future, this.#past, here);
  }
}

function exchange<Place>(from: Place[], to: Place[], here: Place): Place | undefined {
  const place = from.pop();
  if (place !== undefined) to.push(here);
  return place;
}

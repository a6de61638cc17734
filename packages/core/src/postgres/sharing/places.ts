import type { Frame, Stack } from './place.js';

/** A place of the app that makes pools: the stacks that were seen there, one for each version of its modules. */
interface Place {
  readonly id: string;
  readonly stacks: Stack[];
}

/** More places than this in one function are no places, but stacks that are never the same: they are not told. */
const PLACES = 1_000;

/** Taken at load: fake timers replace them. */
const { nextTick } = process;
const soon = queueMicrotask;

/** Tells the places of an app apart in which pools are made. */
export class Places {
  readonly #byFunction = new Map<string, Place[]>();
  /** How many pools each place has made in this turn of the event loop. */
  #thisTurn: Map<Place, number> | undefined;
  #last = 0;

  /**
   * The name of a pool by where it is made. Two pools have the same one if they were made at one place, in different turns of the event loop:
   * by a module that is evaluated again, or a function that is called for each request. Those that are made in one turn are meant to be several:
   * the first, the second and so on of each turn have names of their own.
   */
  nameOf(stack: Stack): string | undefined {
    const place = this.#placeOf(stack);
    return place && `${place.id}.${this.#nextInTurn(place)}`;
  }

  #placeOf(stack: Stack): Place | undefined {
    const { where } = stack.frames[0] as Frame;
    const places = this.#byFunction.get(where) ?? [];
    this.#byFunction.set(where, places);
    const known = places.find(({ stacks }) => stacks.some((one) => compare(one, stack) === 'same'));
    if (known) return known;
    // A new version of the modules: the first of its places is the first of the version before, and so on.
    const reloaded = places.find(({ stacks }) => stacks.every((one) => compare(one, stack) === 'version'));
    reloaded?.stacks.push(stack);
    if (reloaded || places.length >= PLACES) return reloaded;
    const place = { id: String(++this.#last), stacks: [stack] };
    places.push(place);
    return place;
  }

  #nextInTurn(place: Place): number {
    if (this.#thisTurn === undefined) {
      this.#thisTurn = new Map();
      afterThisTurn(() => {
        this.#thisTurn = undefined;
      });
    }
    const made = this.#thisTurn.get(place) ?? 0;
    this.#thisTurn.set(place, made + 1);
    return made;
  }
}

/** Whether two stacks are the same place, may be it in two versions of the code, or are two places. */
function compare(one: Stack, other: Stack): 'same' | 'version' | 'other' {
  const [short, long] = one.frames.length <= other.frames.length ? [one, other] : [other, one];
  if (short.frames.length < long.frames.length && !short.isCut) return 'other';
  let result: 'same' | 'version' = 'same';
  for (const [index, frame] of short.frames.entries()) {
    const match = long.frames[index] as Frame;
    if (frame.where !== match.where) return 'other';
    if (frame.version !== match.version) result = 'version';
    else if (!isSameLine(frame, match)) return 'other';
  }
  return result;
}

/** A function that is called, and later awaited, is at two columns of one line: that of the call and that of the `await`. */
function isSameLine(one: Frame, other: Frame): boolean {
  return one.line === other.line && (one.column === other.column || one.isAsync !== other.isAsync);
}

/** When the callback that runs, and all promises that follow from it, are through; before the next callback, even of the same poll for I/O. */
function afterThisTurn(run: () => void): void {
  // The queue of microtasks is empty before the second tick.
  nextTick(() => soon(() => nextTick(run)));
}

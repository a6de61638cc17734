import { fileURLToPath } from 'node:url';

/** A place in the app that makes pools, with the stacks that were captured there, one for each version of its modules. */
interface Place {
  readonly id: string;
  readonly stacks: Stack[];
}

/** A function with more places than this has a new stack each time. Further places get no name. */
const PLACES = 1_000;

/** Read when this file is loaded, since fake timers replace it. */
const { nextTick } = process;
const soon = queueMicrotask;

/** Names the places in an app that make pools. */
export class Places {
  readonly #byFunction = new Map<string, Place[]>();
  /** How many pools each place has made in this turn of the event loop. */
  #thisTurn: Map<Place, number> | undefined;
  #last = 0;

  /**
   * The name of a pool by the place that makes it. Two pools have the same name if they were made at one place in different turns
   * of the event loop: by a module that is evaluated again, or a function that is called for each request. Pools made in one turn
   * are meant to be several, so the first, the second and so on of each turn have different names.
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
    // A new version of the modules. Its first place is the first place of the version before, and so on.
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

/** Whether two stacks come from the same place, perhaps from one place in two versions of the code, or from two places. */
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

/**
 * Whether both frames are on one line. A function that is called and later awaited has two columns there: that of the call and
 * that of the `await`.
 */
function isSameLine(one: Frame, other: Frame): boolean {
  return one.line === other.line && (one.column === other.column || one.isAsync !== other.isAsync);
}

/** Runs after the present callback and all promises that follow from it, and before the next callback, even of the same poll for I/O. */
function afterThisTurn(run: () => void): void {
  // The queue of microtasks is empty before the second tick.
  nextTick(() => soon(() => nextTick(run)));
}

/** A frame of the app on the stack where a pool is made. */
export interface Frame {
  /** The function and its module, which hot reload does not change. */
  readonly where: string;
  /** A hash of the module's text. Lines of two versions cannot be compared: an edit, or a bundler, shifts them. */
  readonly version: string;
  readonly line: number;
  readonly column: number;
  /** Whether the function awaits the one in the frame above. */
  readonly isAsync: boolean;
}

/** The app's frames, innermost first. */
export interface Stack {
  readonly frames: readonly Frame[];
  /** Whether the last frame continued after an `await` without an awaiting function: its caller is unknown. */
  readonly isCut: boolean;
}

/** A frame of V8. Node's types lack the script's hash. */
type Site = NodeJS.CallSite & {
  getScriptNameOrSourceURL(): string | null;
  getScriptHash?(): string;
  isAsync(): boolean;
};

/** A place whose stack has more frames than this gets no name. */
const FRAMES = 100;

const LIBRARY = /[\\/]node_modules[\\/]|^node:/;
/** The file of the only frame below a function that continues after an `await`: the queue of promises. */
const RESUMED = 'node:internal/process/task_queues';
/** Matches the name of a script without a path or an address (`eval`, `vm`, the REPL), or with its own text as the address. */
const NAMELESS = /^[^\\/]*$|^(?:data|blob):/;

/**
 * The stack of the app's call of `maker`, a function or a class.
 *
 * @returns `undefined` if the app has turned stack traces off, a script has no name, or there is only library code
 */
export function captureStack(maker: object): Stack | undefined {
  const sites = capture(maker);
  if (sites === undefined || sites.length >= FRAMES) return undefined;
  const own = sites.filter((site) => isOfApp(site));
  const last = own.at(-1);
  if (last === undefined || own.some((site) => NAMELESS.test(nameOf(site)))) return undefined;
  const below = sites[sites.indexOf(last) + 1];
  const isCut = !last.isAsync() && (below === undefined || nameOf(below) === RESUMED);
  return { frames: own.map(frameOf), isCut };
}

/** The frames as objects, whatever format the app has for its stack traces. A source map would cost time and add nothing. */
function capture(maker: object): Site[] | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  if (!(stackTraceLimit > 0)) return undefined;
  try {
    const place: { stack?: unknown } = {};
    Error.stackTraceLimit = FRAMES;
    Error.prepareStackTrace = (_, sites) => sites;
    Error.captureStackTrace(place, maker as () => void);
    return Array.isArray(place.stack) ? (place.stack as Site[]) : undefined;
  } catch {
    // Intrinsics are frozen.
    return undefined;
  } finally {
    // An assignment could throw once more.
    Reflect.set(Error, 'prepareStackTrace', prepareStackTrace);
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

/** Whether a frame has a script. Built-in functions have none: `Array.map`, `Promise.all`. */
function isOfApp(site: Site): boolean {
  const name = nameOf(site);
  return name === '' ? site.isEval() : !LIBRARY.test(name);
}

function nameOf(site: Site): string {
  return site.getScriptNameOrSourceURL() ?? '';
}

function frameOf(site: Site): Frame {
  const name = site.getFunctionName();
  return {
    // Turbopack loads a module as a function without a name, and evaluates it after an edit.
    where: `${name === null || name === 'eval' ? '' : name} ${moduleOf(nameOf(site))}`,
    version: site.getScriptHash?.().slice(0, 16) ?? '',
    line: site.getLineNumber() ?? 0,
    column: site.getColumnNumber() ?? 0,
    isAsync: site.isAsync(),
  };
}

/** A module's path without the parts that a reload changes: `?t=123`, `#123`, the name of webpack's update. An address becomes a path. */
export function moduleOf(name: string): string {
  const bare = name.replace(/[?#].*$/, '').replace(/\.[0-9a-f]{8,}\.hot-update(?=\.\w+$)/, '');
  try {
    return bare.startsWith('file:') ? fileURLToPath(bare) : bare;
  } catch {
    return bare;
  }
}

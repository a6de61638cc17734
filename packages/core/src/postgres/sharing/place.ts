import { fileURLToPath } from 'node:url';

/** A frame of the app on the stack where a pool is made. */
export interface Frame {
  /** The function and its module: what hot reload leaves as it is. */
  readonly where: string;
  /** The text of the module. Lines of two versions cannot be compared: an edit, and a bundler, shifts them. */
  readonly version: string;
  readonly line: number;
  readonly column: number;
  /** The function awaits the one above it. */
  readonly isAsync: boolean;
}

/** The app's frames, innermost first. */
export interface Stack {
  readonly frames: readonly Frame[];
  /** The last frame went on after an `await`, and nobody awaits it: who called it is not known. */
  readonly isCut: boolean;
}

/** What V8 tells of a frame; the script's hash is not in Node's types. */
type Site = NodeJS.CallSite & {
  getScriptNameOrSourceURL(): string | null;
  getScriptHash?(): string;
  isAsync(): boolean;
};

/** A place whose stack has more frames than this is not told. */
const FRAMES = 100;

const LIBRARY = /[\\/]node_modules[\\/]|^node:/;
/** Below a function that goes on after an `await`, there is nothing but the queue of promises. */
const RESUMED = 'node:internal/process/task_queues';
/** A script without a path or an address (`eval`, `vm`, the REPL), and one whose address is its own text. */
const NAMELESS = /^[^\\/]*$|^(?:data|blob):/;

/**
 * Where in the app `maker`, a function or a class, has been called.
 *
 * @returns `undefined` where that cannot be told: the app has turned stack traces off, a script has no name, or there is only library code
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

/** As objects, whatever the app makes of its stack traces; a source map would cost time, and tell no more. */
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
    // Frozen intrinsics.
    return undefined;
  } finally {
    // Not by assignment, which would throw once more.
    Reflect.set(Error, 'prepareStackTrace', prepareStackTrace);
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

/** What is built in has no script: `Array.map`, `Promise.all`. */
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

/** A module's path as it is before and after a reload: without `?t=123`, `#123`, and the name of webpack's update; an address becomes a path. */
export function moduleOf(name: string): string {
  const bare = name.replace(/[?#].*$/, '').replace(/\.[0-9a-f]{8,}\.hot-update(?=\.\w+$)/, '');
  try {
    return bare.startsWith('file:') ? fileURLToPath(bare) : bare;
  } catch {
    return bare;
  }
}

import { setImmediate as nextTurn } from 'node:timers/promises';
import { runInThisContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { captureStack, moduleOf, Places, type Stack } from '../../../packages/core/src/postgres/sharing/places.js';

/** A pool, as far as it is made somewhere. */
class Maker {
  readonly stack: Stack | undefined = captureStack(Maker);
}

/** Names what is made, as in an app of its own. */
function useApp() {
  const places = new Places();
  return { nameOf: ({ stack }: Maker) => stack && places.nameOf(stack) };
}

const { prepareStackTrace, stackTraceLimit } = Error;
afterEach(() => void Object.assign(Error, { prepareStackTrace, stackTraceLimit }));

/** A module of an app that makes a pool, evaluated under a file name. */
function evaluate(text: string, fileName: string): () => Maker {
  return runInThisContext(`(Maker) => { ${text} }`, fileName)(Maker);
}

const FACTORY = 'return function makePool() { return new Maker(); };';

describe('The place where a pool is made', () => {
  it('is the same in each turn of the event loop in which it makes one', async () => {
    const { nameOf } = useApp();
    const makePool = () => new Maker();
    const names = new Set<unknown>();
    for (let n = 0; n < 5; n++) {
      names.add(nameOf(makePool()));
      await nextTurn();
    }
    expect([...names]).toEqual([expect.any(String)]);
  });

  it('is another one on another line, also in the same function', async () => {
    const { nameOf } = useApp();
    const locks = nameOf(new Maker());
    await nextTurn();
    const work = nameOf(new Maker());
    expect(locks).not.toBe(work);
  });

  it('is another one when the function that makes the pool is called from elsewhere', async () => {
    const { nameOf } = useApp();
    const makePool = () => new Maker();
    const locks = nameOf(makePool());
    await nextTurn();
    const work = nameOf(makePool());
    expect(locks).not.toBe(work);
  });

  it('is another one when the function that makes the pool is awaited elsewhere', async () => {
    const { nameOf } = useApp();
    const makePool = async () => {
      await nextTurn();
      return new Maker();
    };
    const locks = nameOf(await makePool());
    const work = nameOf(await makePool());
    expect([locks, work]).toEqual([expect.any(String), expect.any(String)]);
    expect(locks).not.toBe(work);
  });

  it('is the same for the first call of a loop, and for those after an await', async () => {
    const { nameOf } = useApp();
    const names = new Set<unknown>();
    const request = () => new Maker();
    async function serve() {
      for (let n = 0; n < 4; n++) {
        names.add(nameOf(request()));
        await nextTurn();
      }
    }
    await serve();
    expect(names.size).toBe(1);
  });

  it('is the same when nobody awaits the loop', async () => {
    const { nameOf } = useApp();
    const names = new Set<unknown>();
    const request = () => new Maker();
    async function serve() {
      for (let n = 0; n < 4; n++) {
        names.add(nameOf(request()));
        await nextTurn();
      }
    }
    void serve();
    for (let n = 0; n < 8; n++) await nextTurn();
    expect(names.size).toBe(1);
  });
});

describe('Pools that are made in one turn of the event loop', () => {
  it('are apart, each like its counterpart in another turn', async () => {
    const { nameOf } = useApp();
    const evaluation = async () => {
      const names = [];
      // One after the other, with promises between them that need no turn.
      for (let n = 0; n < 3; n++) {
        names.push(nameOf(new Maker()));
        await Promise.resolve();
      }
      return names;
    };
    const first = await evaluation();
    await nextTurn();
    expect(new Set(first).size).toBe(3);
    // Made by another function, so that only the turn differs.
    expect(await evaluation()).not.toEqual(first);
    await nextTurn();
    const again = [];
    for (let n = 0; n < 2; n++) {
      again.push(await evaluation());
      await nextTurn();
    }
    expect(again[0]).toEqual(again[1]);
  });

  it('are not in one turn because they are in one poll for I/O: each request has a turn of its own', async () => {
    const { nameOf } = useApp();
    const names: unknown[] = [];
    await new Promise<void>((done) => {
      const request = () => {
        names.push(nameOf(new Maker()));
        if (names.length === 3) done();
      };
      for (let n = 0; n < 3; n++) setImmediate(request);
    });
    expect(new Set(names).size).toBe(1);
  });
});

describe('Hot reload', () => {
  it.for([
    ['/app/db.js?t=17', '/app/db.js'],
    ['file:///app/db.js?v=1&t=2', '/app/db.js'],
    ['file:///app/%5Broot%5D__1._.js', '/app/[root]__1._.js'],
    ['file://%', 'file://%'],
    ['/app/db.ts#17', '/app/db.ts'],
    ['webpack-internal:///(rsc)/./lib/db.ts', 'webpack-internal:///(rsc)/./lib/db.ts'],
    ['webpack:///./src/db.ts?a1b2', 'webpack:///./src/db.ts'],
    ['/app/dist/main.a1b2c3d4e5f6.hot-update.js', '/app/dist/main.js'],
    ['/app/dist/chunk-a1b2c3d4.js', '/app/dist/chunk-a1b2c3d4.js'],
  ] as const)('leaves the module of %s as %s', ([name, module]) => {
    expect(moduleOf(name)).toBe(module);
  });

  it('makes a pool at the same place, under a new query string', async () => {
    const { nameOf } = useApp();
    const names = new Set<unknown>();
    for (let n = 0; n < 5; n++) {
      names.add(nameOf(evaluate(FACTORY, `/app/db.js?t=${n}`)()));
      await nextTurn();
    }
    expect(names.size).toBe(1);
  });

  it('makes a pool at the same place, first as a function of a chunk, then by evaluating the edited module', async () => {
    const { nameOf } = useApp();
    Object.assign(globalThis, { MakerUnderTest: Maker });
    const load = runInThisContext(
      '(turn, done) => turn().then(() => done(new MakerUnderTest()))',
      '/app/[root]__1._.js',
    );
    const evaluate = runInThisContext('function run(text) { return (0, eval)(text); } run', '/app/runtime.js');
    let loaded: Maker | undefined;
    load(nextTurn, (maker: Maker) => {
      loaded = maker;
    });
    while (loaded === undefined) await nextTurn();
    const first = nameOf(loaded);
    await nextTurn();
    const edited = evaluate('\n// edited\nnew MakerUnderTest()\n//# sourceURL=file:///app/%5Broot%5D__1._.js');
    expect(nameOf(edited)).toBe(first);
    expect(first).toEqual(expect.any(String));
  });

  it('makes a pool at the same place, when lines have shifted', async () => {
    const { nameOf } = useApp();
    const names = new Set<unknown>();
    for (let n = 0; n < 5; n++) {
      names.add(nameOf(evaluate(`${'\n'.repeat(n)}/* edit ${n} */ ${FACTORY}`, '/app/db.js')()));
      await nextTurn();
    }
    expect(names.size).toBe(1);
  });

  it('keeps two places of a function apart, version by version', async () => {
    const { nameOf } = useApp();
    const versions = [];
    for (let n = 0; n < 4; n++) {
      const edit = '\n'.repeat(n);
      const { locks, work } = evaluate(
        `${edit} return { locks: () => new Maker(),\n${edit} work: () => new Maker() };`,
        '/app/db.js',
      ) as never as Record<string, () => Maker>;
      const names = [];
      for (const make of [locks, work]) {
        names.push(nameOf(make!()));
        await nextTurn();
      }
      versions.push(names);
    }
    for (const names of versions) expect(names).toEqual(versions[0]);
    expect(versions[0]![0]).not.toBe(versions[0]![1]);
  });

  it('keeps two lines of one function apart, version by version', async () => {
    const { nameOf } = useApp();
    const versions = [];
    for (let n = 0; n < 4; n++) {
      const text = `${'\n'.repeat(n)} return async function start(turn, made) {
        made(new Maker()); await turn();
        made(new Maker()); await turn();
      };`;
      const names: unknown[] = [];
      const start = evaluate(text, '/app/db.js') as never as (...args: unknown[]) => Promise<void>;
      await start(nextTurn, (maker: Maker) => names.push(nameOf(maker)));
      versions.push(names);
    }
    for (const names of versions) expect(names).toEqual(versions[0]);
    expect(versions[0]![0]).not.toBe(versions[0]![1]);
  });
});

describe('A place is not told', () => {
  it('where the app has turned stack traces off', () => {
    Error.stackTraceLimit = 0;
    expect(new Maker().stack).toBeUndefined();
    delete (Error as { stackTraceLimit?: number }).stackTraceLimit;
    expect(new Maker().stack).toBeUndefined();
    expect('stackTraceLimit' in Error && Error.stackTraceLimit !== undefined).toBe(false);
  });

  it('where stack traces cannot be changed', () => {
    Object.defineProperty(Error, 'prepareStackTrace', { value: undefined, writable: false, configurable: true });
    try {
      expect(new Maker().stack).toBeUndefined();
      expect(Error.stackTraceLimit).toBe(stackTraceLimit);
    } finally {
      Object.defineProperty(Error, 'prepareStackTrace', { value: undefined, writable: true, configurable: true });
    }
  });

  it.for([
    ['eval', () => new Function('Maker', 'return new Maker()')(Maker)],
    ['a script without a file name', () => runInThisContext('(Maker) => new Maker()')(Maker)],
    ['a data URL', () => runInThisContext('(Maker) => new Maker()', 'data:text/javascript,a/b')(Maker)],
    ['the REPL', () => runInThisContext('(Maker) => new Maker()', 'REPL1')(Maker)],
  ] as [string, () => Maker][])('in %s', ([, make]) => {
    expect(make().stack).toBeUndefined();
  });

  it('where only a library is on the stack', async () => {
    const make = evaluate(FACTORY, '/app/node_modules/a-library/index.js');
    const made = await new Promise<Maker>((resolve) => setTimeout(() => resolve(make()), 0));
    expect(made.stack!.frames.map(({ where }) => where).join()).not.toContain('a-library');
    const alone = await new Promise<Maker>((resolve) => {
      const make = evaluate('return (done) => done(new Maker());', '/app/node_modules/x/y.js') as (
        done: unknown,
      ) => void;
      setTimeout(make, 0, resolve);
    });
    expect(alone.stack).toBeUndefined();
  });

  it('where it lies too deep', () => {
    const dive = (depth: number): Maker => (depth === 0 ? new Maker() : dive(depth - 1));
    expect(dive(10).stack).toBeDefined();
    expect(dive(200).stack).toBeUndefined();
  });
});

describe('To look for the place', () => {
  it('does not mind what the app makes of stack traces, and leaves it as it is', () => {
    const own = () => 'nothing to see';
    Error.prepareStackTrace = own;
    Error.stackTraceLimit = 1;
    const { stack } = new Maker();
    expect(stack!.frames[0]!.where).toContain('place.test.ts');
    expect(Error.prepareStackTrace).toBe(own);
    expect(Error.stackTraceLimit).toBe(1);
  });

  it('leaves no property behind that was not there', () => {
    delete (Error as { prepareStackTrace?: unknown }).prepareStackTrace;
    new Maker();
    expect(Object.hasOwn(Error, 'prepareStackTrace') && Error.prepareStackTrace !== undefined).toBe(false);
  });
});

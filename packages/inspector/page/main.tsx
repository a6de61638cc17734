import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import type { PoolSummary, Update } from '../src/protocol.js';
import { ConnectionsChart, OpenedChart, WaitChart } from './charts.js';
import { time } from './format.js';
import { follow, type History } from './history.js';
import { Lifelines } from './lifelines.js';
import {
  BudgetFacts,
  Closings,
  Connections,
  Counts,
  Holders,
  Log,
  Pipelining,
  PolicyTable,
  Statements,
  Tiles,
} from './parts.js';
import './style.css';
import { verdictOf } from './verdict.js';

const POLL_EVERY_MS = 1_000;
const SHORTEST_WINDOW_MS = 20_000;
const WINDOWS = [
  ['1 min', 60_000],
  ['5 min', 300_000],
] as const;

/** The content of the page, and the result of the last poll. */
interface Shown {
  readonly pools: readonly PoolSummary[];
  readonly unrecorded: number;
  readonly history: History | undefined;
  readonly failure: string | undefined;
}

/** Polls the page's own address with another query, which works at any path, and behind proxies that rewrite paths. */
async function poll(cursor: string, pool: number | undefined): Promise<Update> {
  const query = pool === undefined ? '' : `&pool=${pool}`;
  // Not a relative path: it would be resolved against the page's address, and `fetch` refuses an address with a password.
  const response = await fetch(`${location.pathname}?since=${cursor}${query}`, { cache: 'no-store' });
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  return response.json();
}

function usePolling(isPaused: boolean): [Shown, (pool: number) => void] {
  const [shown, show] = useState<Shown>({ pools: [], unrecorded: 0, history: undefined, failure: undefined });
  const state = useRef({
    cursor: '',
    pool: undefined as number | undefined,
    history: undefined as History | undefined,
  });
  const now = useRef(() => {});
  useEffect(() => {
    if (isPaused) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isStopped = false;
    let turn = 0;
    const run = async () => {
      clearTimeout(timer);
      const mine = ++turn;
      const { cursor, pool } = state.current;
      try {
        const update = await poll(cursor, pool);
        // The reader has picked another pool in the meantime.
        if (mine !== turn || isStopped) return;
        const history = follow(state.current.history, update);
        state.current = { cursor: update.cursor, pool: history?.poolId, history };
        show({ pools: update.pools, unrecorded: update.unrecorded, history, failure: undefined });
      } catch (error) {
        if (mine !== turn || isStopped) return;
        show((before) => ({ ...before, failure: (error as Error).message }));
      }
      timer = setTimeout(() => document.hidden || run(), POLL_EVERY_MS);
    };
    now.current = () => void run();
    // A hidden page does not poll.
    const onVisible = () => document.hidden || void run();
    document.addEventListener('visibilitychange', onVisible);
    void run();
    return () => {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [isPaused]);
  const pick = (pool: number) => {
    state.current = { cursor: '', pool, history: undefined };
    now.current();
  };
  return [shown, pick];
}

function Page() {
  const [isPaused, pause] = useState(false);
  const [windowMs, setWindow] = useState<number>(WINDOWS[0][1]);
  const [{ pools, unrecorded, history, failure }, pick] = usePolling(isPaused);
  return (
    <>
      <header>
        <h1>Connection pools</h1>
        {pools.length > 1 && (
          <nav aria-label="Pools">
            {pools.map(({ id, name, figures }) => (
              <button
                key={id}
                type="button"
                aria-current={id === history?.poolId}
                onClick={() => pick(id)}
                disabled={isPaused}
              >
                {name}{' '}
                <small>
                  {figures.used}/{figures.max}
                  {figures.waiting > 0 && `, ${figures.waiting} waiting`}
                </small>
              </button>
            ))}
            {unrecorded > 0 && <span class="about">and {unrecorded} more that are not recorded</span>}
          </nav>
        )}
        {pools.length === 1 && <p class="name">{pools[0]!.name}</p>}
        <fieldset class="controls" aria-label="View">
          {WINDOWS.map(([name, ms]) => (
            <button key={name} type="button" aria-pressed={windowMs === ms} onClick={() => setWindow(ms)}>
              {name}
            </button>
          ))}
          <button type="button" aria-pressed={isPaused} onClick={() => pause(!isPaused)}>
            Pause
          </button>
        </fieldset>
      </header>
      <main>
        {failure !== undefined && (
          <p class="failure" role="alert">
            No new data since {history ? time(history.startedAt + history.t) : 'the page was opened'}: {failure}. Trying
            again.
          </p>
        )}
        {history ? <Pool history={history} windowMs={windowMs} /> : <Empty hasAnswer={failure === undefined} />}
      </main>
    </>
  );
}

function Empty({ hasAnswer }: { hasAnswer: boolean }) {
  return hasAnswer ? <p class="about">No pool is open in this process yet.</p> : null;
}

function Pool({ history, windowMs: most }: { history: History; windowMs: number }) {
  // Shows a shorter window at first: a page that was just opened would be mostly empty.
  const windowMs = Math.max(SHORTEST_WINDOW_MS, Math.min(most, history.t));
  const { level, word, sentence } = verdictOf(history);
  return (
    <>
      <p class={`verdict ${level}`}>
        <strong role="status">{word}</strong> <span>{sentence}</span>
      </p>
      <Tiles history={history} />
      <ConnectionsChart history={history} windowMs={windowMs} />
      <Lifelines history={history} windowMs={windowMs} />
      <div class="pair">
        <WaitChart history={history} windowMs={windowMs} />
        <OpenedChart history={history} windowMs={windowMs} />
      </div>
      <div class="pair">
        <Holders history={history} />
        <Log history={history} />
      </div>
      <div class="columns">
        <Closings history={history} />
        <Counts history={history} />
        <Statements history={history} />
        <Pipelining history={history} />
        <BudgetFacts history={history} />
      </div>
      <Connections history={history} />
      <PolicyTable history={history} />
    </>
  );
}

render(<Page />, document.getElementById('page')!);

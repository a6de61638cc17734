import type { ComponentChildren } from 'preact';
import { count, duration, percent, plural, rough, time } from './format.js';
import type { History } from './history.js';
import { isPlanned } from './spells.js';

const RATE_OVER_MS = 5_000;

function Tile({
  label,
  value,
  about,
  level,
}: {
  label: string;
  value: string;
  about: ComponentChildren;
  level?: string;
}) {
  return (
    <div class={`tile ${level ?? ''}`}>
      <dt>{label}</dt>
      <dd>
        <strong class="value">{value}</strong>
        <span>{about}</span>
      </dd>
    </div>
  );
}

export function Tiles({ history }: { history: History }) {
  const { stats } = history.pool;
  const { acquired, opened } = history.last();
  const now = history.last(RATE_OVER_MS);
  const waits = history.rates.at(-1)?.waits;
  const limit = history.policy.maxConnections?.value;
  const each = acquired > 0 ? (opened / acquired) * 1_000 : undefined;
  const overall = stats.acquired > 0 ? (stats.opened / stats.acquired) * 1_000 : 0;
  const peak = Math.max(...history.figures.filter(({ t }) => t > history.t - 60_000).map(({ waiting }) => waiting), 0);
  return (
    <dl class="tiles">
      <Tile
        label="In use"
        value={`${stats.used} of ${stats.max}`}
        about={`${stats.idle} idle${typeof limit === 'number' && limit !== stats.max ? `; maximum ${limit}, granted ${stats.max}` : ''}`}
      />
      <Tile
        label="Waiting"
        value={count(stats.waiting)}
        about={`at most ${count(peak)} in the last minute`}
        level={stats.waiting > 0 ? 'warning' : ''}
      />
      <Tile
        label="Wait, p99"
        value={waits ? duration(waits.p99) : '–'}
        about={
          waits
            ? `p50 ${duration(waits.p50)}, p90 ${duration(waits.p90)}, in the last second`
            : 'no checkout in the last second'
        }
      />
      <Tile
        label="Opened per 1,000 acquires"
        value={each === undefined ? '–' : rough(Math.min(each, 1_000))}
        about={`in the last minute; ${rough(overall)} since the start`}
        level={each !== undefined && each >= 200 && opened >= 10 ? 'bad' : ''}
      />
      <Tile
        label="Acquires"
        value={now.forMs > 0 ? `${rough((now.acquired / now.forMs) * 1_000)}/s` : '–'}
        about={`in the last 5 s; ${count(stats.acquired)} since the start`}
      />
    </dl>
  );
}

export function Holders({ history }: { history: History }) {
  const { holders } = history.pool;
  return (
    <section aria-labelledby="holders">
      <h2 id="holders">Held for over a second</h2>
      {holders.length === 0 ? (
        <p class="about">None.</p>
      ) : (
        <ul class="holders">
          {holders.map(({ id, processId, heldMs, status, stack, lastStatement }) => (
            <li key={id}>
              <p>
                <strong>{duration(heldMs)}</strong>{' '}
                {processId === undefined ? `connection ${id}` : `backend ${processId}`}
                {statusText(status)}
              </p>
              {lastStatement !== undefined && <pre>{lastStatement}</pre>}
              {stack === undefined ? (
                <p class="about">No stack was captured: set CONN_LEAK_THRESHOLD.</p>
              ) : (
                <details>
                  <summary>Where it was taken</summary>
                  <pre>{stack.replaceAll(/^ +at /gm, '')}</pre>
                </details>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function statusText(status: string): string {
  if (status === 'active') return ', with a query in flight';
  if (status === 'transaction') return ', in a transaction, no query in flight';
  if (status === 'failed-transaction') return ', in a failed transaction';
  return status === 'idle' ? ', no query in flight' : '';
}

export function Log({ history }: { history: History }) {
  const latest = history.log.slice(-40).reverse();
  return (
    <section aria-labelledby="log">
      <h2 id="log">What happened</h2>
      {latest.length === 0 && <p class="about">Nothing yet since this page was opened.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard */}
      <ol class="log" tabIndex={0} aria-labelledby="log">
        {latest.map(({ t, kind, text }, index) => (
          <li key={`${t} ${history.log.length - index}`} class={kind}>
            <time>{time(history.startedAt + t)}</time> <b>{kind}</b> {text}
          </li>
        ))}
      </ol>
    </section>
  );
}

export function Closings({ history }: { history: History }) {
  const { closed, opened } = history.pool.stats;
  const reasons = Object.entries(closed).filter(([, number]) => number > 0);
  const most = Math.max(1, ...reasons.map(([, number]) => number));
  return (
    <section aria-labelledby="closings">
      <h2 id="closings">Closed, by reason</h2>
      <p class="about">{plural(opened, 'connection')} opened since the pool was made.</p>
      {reasons.length === 0 && <p class="about">None was closed.</p>}
      <table class="bars">
        <tbody>
          {reasons
            .sort(([, one], [, other]) => other - one)
            .map(([reason, number]) => (
              <tr key={reason}>
                <th scope="row">{reason}</th>
                <td>{count(number)}</td>
                <td class="bar">
                  <meter class={isPlanned(reason) ? 'planned' : 'fault'} max={most} value={number} />
                </td>
              </tr>
            ))}
        </tbody>
      </table>
    </section>
  );
}

/** Names and figures. */
function Facts({ id, title, rows }: { id: string; title: string; rows: readonly (readonly [string, string])[] }) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <table class="facts">
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function Counts({ history }: { history: History }) {
  const { timeouts, refused, openFailures, checks, rolledBack, epochs, owners, pooler } = history.pool.stats;
  return (
    <Facts
      id="counts"
      title="Since the pool was made"
      rows={[
        ['Waits without a connection', count(timeouts)],
        ['Refused at once', count(refused)],
        ['Failed connects', count(openFailures)],
        ['Checks', `${count(checks.done)}, ${count(checks.failed)} failed`],
        ['Rolled back', count(rolledBack)],
        ['Incidents', count(epochs)],
        ['Pools under this limit', count(owners)],
        ['Pooler in between', pooler],
      ]}
    />
  );
}

export function Statements({ history }: { history: History }) {
  const { statements } = history.pool.stats;
  if (!statements) return null;
  const { state, hits, prepared, evicted, invalidated, unprepared } = statements;
  const reasons = Object.entries(unprepared ?? {}).map(([reason, number]) => `${reason} ${count(number)}`);
  return (
    <Facts
      id="statements"
      title="Prepared statements"
      rows={[
        ['State', state.replaceAll('-', ' ')],
        ['Hits', count(hits)],
        ['Prepared', count(prepared)],
        ['Evicted', count(evicted)],
        ['Invalidated', count(invalidated)],
        ['Sent unprepared', reasons.join(', ') || 'none'],
      ]}
    />
  );
}

export function Pipelining({ history }: { history: History }) {
  const { pipelined } = history.pool.stats;
  if (!pipelined) return null;
  const { state, queries, share, deepest, waitedBehindMs, again } = pipelined;
  return (
    <Facts
      id="pipelining"
      title="Reads that share connections"
      rows={[
        ['State', state.replaceAll('-', ' ')],
        ['Sent behind others', `${count(queries)}, ${percent(share)} of short reads`],
        ['Most on one connection', count(deepest)],
        [
          'Waited for those before them',
          `${duration(waitedBehindMs.p50)}, 99 % at most ${duration(waitedBehindMs.p99)}`,
        ],
        ['Sent again, alone', count(again)],
      ]}
    />
  );
}

export function BudgetFacts({ history }: { history: History }) {
  const { budget } = history.pool.stats;
  if (!budget) return null;
  const { limit, slots, guests, hungry, members } = budget;
  return (
    <Facts
      id="budget"
      title="Budget of all processes"
      rows={[
        ['Connections of all together', limit === null ? 'not known yet' : count(limit)],
        ['Slots of this pool', count(slots)],
        ['Guests of this pool', count(guests)],
        ['Callers wait for a slot', hungry ? 'yes' : 'no'],
        ['Pools in the fleet', members === null ? 'not counted' : count(members)],
      ]}
    />
  );
}

export function Connections({ history }: { history: History }) {
  const { connections, stats } = history.pool;
  const open = stats.used + stats.idle + stats.opening + stats.busy;
  return (
    <details class="section">
      <summary>
        <h2>Connections</h2>
      </summary>
      {connections.length < open && <p class="about">The first {count(connections.length)}.</p>}
      <div class="scroll">
        <table class="grid">
          <thead>
            <tr>
              {['No.', 'Backend', 'State', 'Session', 'Age', 'Idle', 'Held', 'Uses', 'Checks', 'Resets'].map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {connections.map(({ id, processId, state, status, ageMs, idleMs, heldMs, uses, checks, resets }) => (
              <tr key={id}>
                <td>{id}</td>
                <td>{processId ?? '–'}</td>
                <td>{state}</td>
                <td>{status}</td>
                <td>{duration(ageMs)}</td>
                <td>{state === 'idle' ? duration(idleMs) : '–'}</td>
                <td>{state === 'used' ? duration(heldMs) : '–'}</td>
                <td>{count(uses)}</td>
                <td>{count(checks)}</td>
                <td>{count(resets)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

export function PolicyTable({ history }: { history: History }) {
  return (
    <details class="section">
      <summary>
        <h2>Policy</h2>
      </summary>
      <div class="scroll">
        <table class="grid policy">
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Value</th>
              <th scope="col">Source</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(history.policy).map(([key, { value, source }]) => (
              <tr key={key} class={source.from}>
                <th scope="row">{key}</th>
                <td>{settingText(key, value)}</td>
                <td>{source.name === undefined ? source.from : `${source.from}: ${source.name}`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function settingText(key: string, value: string | number | boolean): string {
  if (typeof value !== 'number') return String(value);
  return key.endsWith('Ms') ? duration(value) : String(value);
}

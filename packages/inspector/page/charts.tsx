import { Chart } from './chart.js';
import { duration, rough } from './format.js';
import type { History } from './history.js';

interface ViewProps {
  readonly history: History;
  readonly windowMs: number;
}

function rangeOf({ history, windowMs }: ViewProps): [number, number] {
  const end = history.startedAt + history.t;
  return [(end - windowMs) / 1_000, end / 1_000];
}

function Keys({ keys }: { keys: readonly (readonly [name: string, text: string])[] }) {
  return (
    <ul class="keys">
      {keys.map(([name, text]) => (
        <li key={name}>
          <i class={`swatch ${name}`} /> {text}
        </li>
      ))}
    </ul>
  );
}

export function ConnectionsChart(view: ViewProps) {
  const { figures, startedAt, pool, policy } = view.history;
  const { used, idle, opening, busy, waiting, max } = pool.stats;
  const maximum = policy.maxConnections?.value;
  const texts = [
    ['busy', `in use ${used}`],
    ['idle', `open ${used + idle + opening + busy}`],
    ['waiting', `waiting ${waiting}`],
    ['limit', max === maximum ? `maximum ${max}` : `granted ${max} of ${maximum}`],
  ] as const;
  return (
    <section aria-labelledby="over-time">
      <h2 id="over-time">Connections over time</h2>
      <Chart
        label={`Connections over time. Now: ${texts.map(([, text]) => text).join(', ')}.`}
        moments={figures.map(({ t }) => (startedAt + t) / 1_000)}
        range={rangeOf(view)}
        atLeast={4}
        format={rough}
        series={[
          {
            label: 'open',
            colour: 'idle',
            isArea: true,
            isStepped: true,
            values: figures.map((at) => at.used + at.idle + at.busy),
          },
          { label: 'in use', colour: 'busy', isArea: true, isStepped: true, values: figures.map((at) => at.used) },
          {
            label: 'waiting',
            colour: 'waiting',
            isArea: true,
            isStepped: true,
            values: figures.map((at) => at.waiting || null),
          },
          { label: 'limit', colour: 'limit', isDashed: true, isStepped: true, values: figures.map((at) => at.max) },
        ]}
      />
      <Keys keys={texts} />
    </section>
  );
}

export function WaitChart(view: ViewProps) {
  const { rates, startedAt } = view.history;
  const now = rates.at(-1)?.waits;
  const texts = [
    ['waiting', `p99 ${now ? duration(now.p99) : '–'}`],
    ['check', `p90 ${now ? duration(now.p90) : '–'}`],
    ['busy', `p50 ${now ? duration(now.p50) : '–'}`],
  ] as const;
  return (
    <section aria-labelledby="waits">
      <h2 id="waits">Wait for a connection</h2>
      <Chart
        label={`Wait for a connection, in each second. Last: ${texts.map(([, text]) => text).join(', ')}.`}
        moments={rates.map(({ t }) => (startedAt + t) / 1_000)}
        range={rangeOf(view)}
        atLeast={1}
        format={duration}
        series={[
          { label: 'p99', colour: 'waiting', isArea: true, values: rates.map(({ waits }) => waits?.p99 ?? null) },
          { label: 'p90', colour: 'check', values: rates.map(({ waits }) => waits?.p90 ?? null) },
          { label: 'p50', colour: 'busy', values: rates.map(({ waits }) => waits?.p50 ?? null) },
        ]}
      />
      <Keys keys={texts} />
    </section>
  );
}

export function OpenedChart(view: ViewProps) {
  const { rates, startedAt } = view.history;
  const each = rates.map(({ opened, acquired }) =>
    acquired > 0 ? Math.min(1_000, (opened / acquired) * 1_000) : null,
  );
  const texts = [['fault', `opened per 1,000 acquires ${each.at(-1) == null ? '–' : rough(each.at(-1)!)}`]] as const;
  return (
    <section aria-labelledby="opened">
      <h2 id="opened">Opened per 1,000 acquires</h2>
      <Chart
        label={`Connections opened per 1,000 acquires, in each second. Last: ${texts[0][1]}.`}
        moments={rates.map(({ t }) => (startedAt + t) / 1_000)}
        range={rangeOf(view)}
        atLeast={100}
        format={rough}
        series={[{ label: 'opened per 1,000 acquires', colour: 'fault', isArea: true, values: each }]}
      />
      <Keys keys={texts} />
    </section>
  );
}

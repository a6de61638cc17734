import { interleave } from './interleave.js';
import { cost } from './load.js';
import { median } from './median.js';
import { genericPool } from './peers/genericPool.js';
import { pgPool } from './peers/pgPool.js';
import { tarn } from './peers/tarn.js';
import { tenure } from './peers/tenure.js';
import { render } from './render.js';

const CALLERS = [1, 10, 100, 10_000];
const ROUNDS = 9;
const OPERATIONS = 20_000;

const ABOUT =
  'The pool alone. Medians of interleaved rounds, stub connections, 10 at most; health checks on, default policy.';

/** What an acquire and a release cost on a warm pool of ten stub connections, beside the peers. */
export async function poolAlone(progress: (text: string) => void): Promise<string> {
  const rows: string[][] = [];
  const costs = new Map<string, number[]>();
  for (const callers of CALLERS) {
    progress(`with ${callers} callers`);
    const peers = [tenure(), tarn(), pgPool(), genericPool()];
    const figures = await interleave(peers, ROUNDS, (peer) => cost(peer, { callers, operations: OPERATIONS }));
    await Promise.all(peers.map((peer) => peer.close()));
    const ours = figures.get('Tenure') ?? [];
    for (const [name, values] of figures) {
      const ratio = median(values.map((ns, round) => ns / (ours[round] ?? Number.NaN)));
      rows.push([String(callers), name, median(values).toFixed(0), `${ratio.toFixed(2)} x`]);
      costs.set(name, [...(costs.get(name) ?? []), median(values)]);
    }
  }
  const head = ['callers', 'pool', 'ns per acquire + release', 'times Tenure'];
  return `${ABOUT}\n\n${render([head, ...rows])}${growth(costs)}`;
}

/** How much dearer a hand-off gets from a hundred callers in line to ten thousand. */
function growth(costs: ReadonlyMap<string, readonly number[]>): string {
  const few = CALLERS.indexOf(100);
  const many = CALLERS.indexOf(10_000);
  const rows = [...costs].map(([name, ns]) => {
    const added = (ns[many] ?? Number.NaN) - (ns[few] ?? Number.NaN);
    return [name, `${added.toFixed(0)} ns`, `${((ns[many] ?? Number.NaN) / (ns[few] ?? Number.NaN)).toFixed(2)} x`];
  });
  return render([['pool', 'from 100 to 10,000 callers', 'as a factor'], ...rows]);
}

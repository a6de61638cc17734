import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Target } from '../../contract/adapterContract.js';
import { useLoad } from '../../contract/useLoad.js';
import { mostWithin } from './downtime.js';
import type { Stages } from './stage.js';

/** The secret is wrong for a while, and then right again. */
export function secrets(stages: Stages): void {
  it('of a password function: used within half a second of being right again, and four refused logins a second at most until then', async () => {
    let secret = 'an old one';
    const password = (async () => secret) as unknown as Target['password'];
    const { app, proxy } = await stages.set({ maxConnections: 5 }, { password });
    const load = useLoad(5, () => app.query('select 1'));
    await sleep(2_300);
    expect(app.answered).toEqual([]);
    secret = stages.postgres.password;
    const rightAt = performance.now();
    const refused = proxy.connects.filter((at) => at < rightAt);
    await expect.poll(() => app.answered.length, { interval: 10 }).toBeGreaterThan(20);
    await load.stop();
    const firstMs = Math.min(...app.answered.map(({ endedAt }) => endedAt)) - rightAt;
    console.info(
      `secret: ${refused.length} logins refused in 2.3 s, the right one used after ${Math.round(firstMs)} ms`,
    );
    expect(firstMs).toBeLessThan(500);
    expect(refused.length).toBeGreaterThan(1);
    expect(mostWithin(1_000, refused)).toBeLessThanOrEqual(4);
    expect(app.failed.filter(({ askedAt }) => askedAt > rightAt)).toEqual([]);
    expect(app.complaints.filter((complaint) => !complaint.includes('authentication'))).toEqual([]);
  });
}

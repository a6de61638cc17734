import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool, type PolicyOverrides, type Pool } from '@tenure/core';
import { pgConnector } from '@tenure/core/pg';
import { inspector } from '@tenure/inspector';
import type pg from 'pg';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, NO_BROWSER, openViews, pixelsOf, type View } from '../support/browsers.js';
import { usePostgres } from '../support/usePostgres.js';

// One process with four pools on a real server, and its page in four windows of a real browser. `SCREENSHOTS=docs` renews the pictures there.

const folder = process.env.SCREENSHOTS;
const longer = { timeout: folder ? 90_000 : 30_000 };

describe.skipIf(NO_BROWSER !== undefined)(`the page in Chromium${NO_BROWSER ? `, ${NO_BROWSER}` : ''}`, async () => {
  const postgres = NO_BROWSER === undefined ? await usePostgres() : undefined;
  const pools: Pool<pg.Client>[] = [];
  const loads: { stop(): Promise<void> }[] = [];
  let browser: Browser;
  let views: View[];
  let server: ReturnType<typeof createServer>;

  const poolOf = (name: string, policy: PolicyOverrides) => {
    const pool = createPool(pgConnector(postgres!.url), { name, ...policy });
    pools.push(pool);
    return pool;
  };
  let busy: Pool<pg.Client>;
  let leaky: Pool<pg.Client>;
  let restarted: Pool<pg.Client>;
  let churning: Pool<pg.Client>;

  beforeAll(async () => {
    busy = poolOf('burst', { maxConnections: 4 });
    leaky = poolOf('leak', { maxConnections: 4, leakAfterMs: 1_500 });
    restarted = poolOf('restart', { maxConnections: 6 });
    churning = poolOf('churn', { maxConnections: 4, maxUses: 1 });
    // Its warning is the test's own.
    leaky.on('warning', () => {});
    server = createServer(inspector().node);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await launch();
    views = await openViews(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}/pool`);
  });
  afterAll(async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await browser?.close();
    server?.close().closeAllConnections();
    await Promise.all(pools.map((pool) => pool.drain(1_000)));
  });

  /** Callers that query one after the other. */
  function keepAsking(pool: Pool<pg.Client>, callers: number, pauseMs: number) {
    let isOver = false;
    const ask = async () => {
      while (!isOver) {
        await pool.use((client) => client.query('select pg_sleep(0.005)')).catch(() => {});
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    };
    const all = Promise.all(Array.from({ length: callers }, ask));
    const load = {
      stop: async () => {
        isOver = true;
        await all;
      },
    };
    loads.push(load);
    return load;
  }

  const pick = (pool: string) =>
    Promise.all(
      views.map(async ({ page }) => {
        await page.getByRole('navigation', { name: 'Pools' }).getByRole('button', { name: pool }).click();
        await page.locator('button[aria-current=true]', { hasText: pool }).waitFor();
      }),
    );
  const everywhere = (check: (view: View) => Promise<unknown>) => Promise.all(views.map(check));
  const verdict = ({ page }: View) => page.locator('.verdict strong').textContent();
  const tile = ({ page }: View, label: string) => page.locator('.tile', { hasText: label }).textContent();
  /** Keeps a picture for docs/inspector.md, of a page that has seen the pool for a while. */
  const shoot = async (scenario: string, of: View['name'], afterMs = 10_000) => {
    if (folder === undefined) return;
    await sleep(afterMs);
    const { page } = views.find(({ name }) => name === of)!;
    await page.evaluate('scrollTo(0, 0)');
    await page.screenshot({ path: `${folder}/inspector-${scenario}.png` });
  };

  it('shows a burst: full, with callers that wait, and then none', longer, async () => {
    await pick('burst');
    const load = keepAsking(busy, 2, 10);
    await everywhere((view) => expect.poll(() => verdict(view)).toBe('Reused'));
    if (folder) await sleep(10_000);
    const burst = Array.from({ length: 80 }, () => busy.use((client) => client.query('select pg_sleep(0.15)')));
    await everywhere(async (view) => {
      await expect.poll(() => verdict(view)).toBe('Full');
      expect(await view.page.locator('.verdict span').textContent()).toMatch(
        /^All 4 connections are in use, and \d+ callers? waits?\.$/,
      );
      expect(await tile(view, 'In use')).toContain('4 of 4');
      expect(await view.page.getByRole('img', { name: /^Connections over time/ }).getAttribute('aria-label')).toMatch(
        /in use 4, open 4, waiting [1-9]\d*, maximum 4/,
      );
    });
    await shoot('burst', 'desk-light', 0);
    await Promise.all(burst);
    await everywhere(async (view) => {
      await expect.poll(() => verdict(view)).toBe('Reused');
      expect(await tile(view, 'Waiting')).toMatch(/^Waiting\d+at most [5-8]\d in the last minute$/);
      expect(await pixelsOf(view.page, 'busy')).toBeGreaterThan(100);
    });
    await load.stop();
  });

  it('shows a leak: who holds the connection, and where it was taken', longer, async () => {
    await pick('leak');
    const load = keepAsking(leaky, 2, 10);
    const leaked = await leaky.acquire();
    await leaked.query('select count(*) from pg_class');
    await everywhere(async (view) => {
      await expect.poll(() => verdict(view)).toBe('Held');
      const holder = view.page.locator('.holders li');
      expect(await holder.locator('pre').first().textContent()).toBe('select count(*) from pg_class');
      await holder.locator('summary').click();
      expect(await holder.locator('details pre').textContent()).toContain('browser.test.ts');
      await expect.poll(() => pixelsOf(view.page, 'held')).toBeGreaterThan(100);
    });
    await shoot('leak', 'phone-light');
    leaky.release(leaked);
    await everywhere((view) => expect.poll(() => verdict(view)).toBe('Reused'));
    await load.stop();
  });

  it('shows a restart of the server: what broke, what failed, and that it is over', longer, async () => {
    await pick('restart');
    const load = keepAsking(restarted, 8, 20);
    await everywhere((view) => expect.poll(() => verdict(view)).toBe('Reused'));
    await postgres!.stopServer('immediate');
    await everywhere(async (view) => {
      await expect.poll(() => verdict(view)).toBe('Not connected');
      expect(await view.page.locator('.log .closed').first().textContent()).toMatch(
        /backend \d+: (broken|failed-check)/,
      );
      // An attempt that the server breaks off as it stops has no code. The next one is refused.
      await expect.poll(() => view.page.locator('.log .failed').first().textContent()).toMatch(/connect \(\w+\)/);
    });
    await postgres!.startServer();
    await everywhere(async (view) => {
      await expect.poll(() => verdict(view)).toBe('Reused');
      await expect.poll(() => pixelsOf(view.page, 'fault')).toBeGreaterThan(5);
    });
    await shoot('restart', 'desk-dark');
    await load.stop();
  });

  it('shows a churn: each checkout opens a connection', longer, async () => {
    await pick('churn');
    const load = keepAsking(churning, 4, 30);
    await everywhere(async (view) => {
      await expect.poll(() => verdict(view)).toBe('Not reused');
      await expect
        .poll(() => tile(view, 'Opened per 1,000 acquires'))
        .toMatch(/acquires(1,000|9\d\d)in the last minute/);
      await expect
        .poll(async () => Number(await view.page.locator('canvas[data-lanes]').getAttribute('data-lanes')))
        .toBeGreaterThan(40);
      expect(await view.page.locator('table.bars').textContent()).toContain('max-uses');
    });
    await shoot('churn', 'phone-dark');
    await load.stop();
  });

  it('has the policy with the source of each value, and the connections, as tables', async () => {
    await pick('leak');
    await everywhere(async ({ page }) => {
      await page.getByText('Policy', { exact: true }).click();
      const row = page.getByRole('row', { name: /^leakAfterMs/ });
      expect(await row.textContent()).toBe('leakAfterMs1.5 sargument: policy.leakAfterMs');
      await page.getByText('Connections', { exact: true }).click();
      expect(await page.getByRole('columnheader', { name: 'Backend' }).count()).toBe(1);
    });
  });

  it('is used by keyboard: the lanes, the pools and the controls', async () => {
    await everywhere(async ({ page }) => {
      await page.locator('.lanes canvas').focus();
      await page.keyboard.press('ArrowDown');
      await expect
        .poll(() => page.locator('.lane-text').textContent())
        .toMatch(/^Backend \d+: opened at .+ uses?, .+ checks?, /);
      await page.getByRole('button', { name: 'Pause' }).focus();
      await page.keyboard.press('Enter');
      expect(await page.getByRole('button', { name: 'Pause' }).getAttribute('aria-pressed')).toBe('true');
      await page.keyboard.press('Enter');
    });
  });

  it('names each part, and is no wider than its window', async () => {
    await everywhere(async ({ page, width }) => {
      const unnamed = await page
        .locator('button:not(:has-text("")), [role=img]:not([aria-label]), section:not([aria-labelledby])')
        .count();
      expect(unnamed).toBe(0);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    });
  });

  it('had no error in the console, and asked no other server', () => {
    expect(views.flatMap(({ wrongs }) => wrongs)).toEqual([]);
  });
});

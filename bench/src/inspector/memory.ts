import { setTimeout as sleep } from 'node:timers/promises';
import { launch, NO_BROWSER } from '@tenure/test/support/browsers.js';
import type { CDPSession } from 'playwright-core';

/** The recording of the page holds five minutes, so memory grows a little until then. */
const SAMPLE_EVERY_MS = 10_000;

export interface MemoryOverTime {
  readonly name: string;
  readonly bytes: number[];
}

export interface Watched {
  readonly memory: readonly MemoryOverTime[];
  /** The time from the opening of the page until it shows the pool; `undefined` without a browser. */
  readonly firstDataMs: number | undefined;
}

/** Live bytes of this process, and of the page in Chromium if there is one, while the page is open. */
export async function memoryOverTime(url: string, forMs: number): Promise<Watched> {
  const ofProcess: MemoryOverTime = { name: 'the process', bytes: [] };
  const ofPage: MemoryOverTime = { name: 'the page', bytes: [] };
  const browser = NO_BROWSER === undefined ? await launch() : undefined;
  const page = await browser?.newPage();
  const devTools: CDPSession | undefined = page && (await page.context().newCDPSession(page));
  const opened = performance.now();
  await page?.goto(url);
  await page?.locator('.verdict').waitFor();
  const firstDataMs = page && performance.now() - opened;
  const reading = browser
    ? undefined
    : setInterval(() => void fetch(`${url}?since=`).then((answer) => answer.text()), 1_000);
  // Modules that are loaded once are in memory before the first sample.
  await sleep(Math.min(forMs, 5_000));
  const begun = performance.now();
  do {
    globalThis.gc!();
    ofProcess.bytes.push(process.memoryUsage().heapUsed);
    if (devTools) {
      await devTools.send('HeapProfiler.collectGarbage');
      ofPage.bytes.push((await devTools.send('Runtime.getHeapUsage')).usedSize);
    }
    await sleep(Math.min(SAMPLE_EVERY_MS, forMs / 4));
  } while (performance.now() - begun < forMs);
  clearInterval(reading);
  await browser?.close();
  return { memory: browser ? [ofProcess, ofPage] : [ofProcess], firstDataMs };
}

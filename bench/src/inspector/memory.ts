import { setTimeout as sleep } from 'node:timers/promises';
import { launch, NO_BROWSER } from '@tenure/test/support/browsers.js';
import type { CDPSession } from 'playwright-core';

/** The rings of the page hold five minutes: until they are full, they grow by a little. */
const SAMPLE_EVERY_MS = 10_000;

export interface MemoryOverTime {
  readonly name: string;
  readonly bytes: number[];
}

/** Live bytes of this process, and of the page in Chromium where there is one, while the page is open. */
export async function memoryOverTime(url: string, forMs: number): Promise<MemoryOverTime[]> {
  const ofProcess: MemoryOverTime = { name: 'the process', bytes: [] };
  const ofPage: MemoryOverTime = { name: 'the page', bytes: [] };
  const browser = NO_BROWSER === undefined ? await launch() : undefined;
  const page = await browser?.newPage();
  const devTools: CDPSession | undefined = page && (await page.context().newCDPSession(page));
  await page?.goto(url);
  const reading = browser
    ? undefined
    : setInterval(() => void fetch(`${url}?since=`).then((answer) => answer.text()), 1_000);
  // What is loaded only once is there before.
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
  return browser ? [ofProcess, ofPage] : [ofProcess];
}

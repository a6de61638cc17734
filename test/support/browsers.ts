import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

/** The place in Debian, and where other systems have it. */
const PROGRAM = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) =>
  existsSync(path),
);

/** Why there is no browser here; `undefined` when there is one. In CI a missing browser is an error, so that no test is skipped there. */
export const NO_BROWSER =
  PROGRAM === undefined && process.env.CI === undefined
    ? 'skipped: no Chromium at /usr/bin/chromium or $CHROMIUM (apt-get install chromium)'
    : undefined;

export const VIEWS = [
  { name: 'desk-light', width: 1_280, colorScheme: 'light' },
  { name: 'desk-dark', width: 1_280, colorScheme: 'dark' },
  { name: 'phone-light', width: 390, colorScheme: 'light' },
  { name: 'phone-dark', width: 390, colorScheme: 'dark' },
] as const;

/** The page in one window, and all errors in it. */
export interface View {
  readonly name: (typeof VIEWS)[number]['name'];
  readonly width: number;
  readonly page: Page;
  /** Lines of the console, and requests of the page to other servers. */
  readonly wrongs: string[];
}

export async function launch(): Promise<Browser> {
  if (PROGRAM === undefined) throw new Error('No Chromium here, which CI must have: apt-get install chromium');
  // Chromium does not start with its sandbox as root.
  return chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** Opens the page in each of the views, side by side. */
export function openViews(browser: Browser, url: string): Promise<View[]> {
  return Promise.all(
    VIEWS.map(async ({ name, width, colorScheme }) => {
      const context = await browser.newContext({
        viewport: { width, height: 850 },
        colorScheme,
        reducedMotion: 'reduce',
      });
      const page = await context.newPage();
      const wrongs: string[] = [];
      page.on('console', (message) => wrongs.push(`${message.type()}: ${message.text()}`));
      page.on('pageerror', (error) => wrongs.push(String(error)));
      page.on('request', (request) => {
        if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith('data:'))
          wrongs.push(request.url());
      });
      await page.goto(url);
      return { name, width, page, wrongs };
    }),
  );
}

/** The number of pixels of the lifelines that have this colour of the style sheet. */
export function pixelsOf(page: Page, name: string): Promise<number> {
  return page.evaluate((variable) => {
    // This function runs in the page, which has these.
    const { document, getComputedStyle, OffscreenCanvas } = globalThis as unknown as BrowserGlobals;
    const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${variable}`).trim();
    const wanted = [1, 3, 5].map((index) => Number.parseInt(hex.slice(index, index + 2), 16));
    const canvas = document.querySelector('.lanes canvas');
    // A copy, because Chromium draws a canvas more slowly once it was read, and warns about that.
    const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (wanted.every((value, index) => data[i + index] === value) && data[i + 3] === 255) count++;
    }
    return count;
  }, name);
}

interface Canvas {
  readonly width: number;
  readonly height: number;
}

interface Context {
  drawImage(image: Canvas, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8Array };
}

interface BrowserGlobals {
  readonly document: { readonly documentElement: object; querySelector(selector: string): Canvas };
  readonly OffscreenCanvas: new (width: number, height: number) => { getContext(kind: '2d', options: object): Context };
  getComputedStyle(element: object): { getPropertyValue(name: string): string };
}

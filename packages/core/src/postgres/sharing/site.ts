/** Remembers where in the app something is being made. The text is made only when someone asks. */
export function placeOf(maker: object): () => string | undefined {
  const place: { stack?: string } = {};
  Error.captureStackTrace(place, maker as () => void);
  return () => siteOf(place.stack);
}

/** The first line of a stack that is the app's. A module that is evaluated again, as `?t=123`, is the same place. */
export function siteOf(stack = ''): string | undefined {
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '));
  const site = frames.find((frame) => !/[\\/]node_modules[\\/]|\bnode:|\(<anonymous>\)$/.test(frame));
  return site?.replace(/\?[^:)]*/, '');
}

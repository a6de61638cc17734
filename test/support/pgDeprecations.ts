/**
 * Tests do on purpose what `pg` 9 will refuse, as apps do. Its warnings about that would hide others in the log. They have no
 * code by which Node could leave them out.
 */
const OF_PG = [
  'Calling client.query() when the client is already executing a query',
  'Passing a custom Promise implementation to the Client/Pool constructor',
];

const emitWarning = process.emitWarning as (...args: unknown[]) => void;
process.emitWarning = (...args: unknown[]) => {
  if (!OF_PG.some((text) => String(args[0]).startsWith(text))) emitWarning.apply(process, args);
};

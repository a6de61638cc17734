// Run by exit.test.ts, which looks at how this process ends.
import { parsePolicy } from '@tenure/core';
import { pgConnector } from '@tenure/core/pg';

const [url = '', what] = process.argv.slice(2);
const never = () => {
  console.log('set up');
  clearTimeout(waiting);
  return new Promise(() => {});
};
const setUp = what === 'open' || what === 'stay' ? never : undefined;
const { CA: ca } = process.env;
const config = ca ? { connectionString: url.replace('127.0.0.1', 'localhost'), ssl: { ca } } : url;
const policy = parsePolicy({}, { exitOnIdle: what !== 'stay' });
const connector = pgConnector(config, { setUp });
connector.usePolicy?.(policy, { warn() {} });
// A connection that is being opened does not keep the process alive: this timer does, as a caller in line would.
const waiting = setTimeout(() => {}, 10_000);
const client = await connector.connect(
  AbortSignal.timeout(10_000),
  () => console.log('lost'),
  () => {},
);
clearTimeout(waiting);
if (what !== 'nothing') connector.unref?.(client);
if (what === 'ref') connector.ref?.(client);
if (what === 'close') {
  await connector.close(client);
  console.log('closed');
}

// Run by exit.test.ts, which looks at how this process ends.
import { pgConnector } from '@tenure/core/pg';

const [url = '', what] = process.argv.slice(2);
const connector = pgConnector(url);
const client = await connector.connect(
  AbortSignal.timeout(10_000),
  () => console.log('lost'),
  () => {},
);
connector.unref?.(client);
if (what === 'ref') connector.ref?.(client);
if (what === 'close') {
  await connector.close(client);
  console.log('closed');
}

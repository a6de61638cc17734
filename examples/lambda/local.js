import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

// Acts as a platform: it freezes the process between two invocations. Meanwhile the process's connections die.

const instance = fork(new URL('instance.js', import.meta.url));

async function invoke(event) {
  instance.send(event);
  const [answer] = await once(instance, 'message');
  console.log(`${event.name}: ${answer.statusCode ?? answer.error}`);
}

await invoke({ name: 'before the freeze' });

instance.kill('SIGSTOP');
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
const ended = await client.query(
  `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lambda'`,
);
await client.end();
await sleep(1_000);
console.log(`frozen, and ${ended.rowCount} connection killed`);
instance.kill('SIGCONT');

await invoke({ name: 'after the thaw' });
instance.disconnect();

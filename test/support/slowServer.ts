import { connect, type Socket } from 'node:net';
import { listenAndCount } from './countingListener.js';

/** What happens to a connection, by the order of arrival. */
export type Fate = 'passed on' | 'delayed' | 'silence';

/** How long a delayed connection waits for its server. */
const DELAY_MS = 600;

/** A proxy before a server that treats each connection by its place in `fates`; later ones are treated as the last. It closes when the test ends. */
export async function serverWithFates(server: { host: string; port: number }, fates: readonly Fate[]) {
  let next = 0;
  return listenAndCount((down) => {
    const fate = fates[Math.min(next++, fates.length - 1)];
    if (fate === 'passed on') passOn(down, server);
    else if (fate === 'delayed') setTimeout(() => passOn(down, server), DELAY_MS);
    else down.resume();
  });
}

function passOn(down: Socket, { host, port }: { host: string; port: number }): void {
  const up = connect(port, host);
  up.on('error', () => {});
  down.pipe(up).pipe(down);
  down.on('close', () => up.destroy());
}

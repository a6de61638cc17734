import pg from 'pg';

export interface ConnectCounts {
  opened: number;
  refused: number;
}

/** Counts the connects of this process. It counts below all pools, so that no contender counts for itself. */
export function countConnects(): ConnectCounts {
  const counts = { opened: 0, refused: 0 };
  const connect = pg.Client.prototype.connect;
  pg.Client.prototype.connect = function (this: pg.Client, ...args: unknown[]) {
    let open = false;
    this.once('connect', () => {
      open = true;
      counts.opened++;
    });
    this.once('end', () => {
      if (!open) counts.refused++;
    });
    return Reflect.apply(connect, this, args);
  } as typeof connect;
  return counts;
}

import { someCustomer, someOrder } from './tables.js';
import type { Operations } from './workloads.js';

/** Runs a statement. The name is for contenders that name statements themselves. */
export type Run = (name: string, text: string, values: unknown[]) => Promise<unknown>;

/** The workloads as SQL, for contenders that take SQL. */
export function operationsOf(
  runFor: (caller: number) => Run,
  transact: (caller: number, work: (run: Run) => Promise<void>) => Promise<unknown>,
): Operations {
  return {
    lookup: (caller) => runFor(caller)('lookup', 'select id, name from customers where id = $1', [someCustomer()]),
    join: (caller) => runFor(caller)('join', JOIN, [someCustomer()]),
    insert: (caller) => insert(runFor(caller), someOrder()),
    transaction: (caller) => transact(caller, changeOrder),
  };
}

async function changeOrder(run: Run): Promise<void> {
  const order = someOrder();
  await run('order', 'select cents from orders where id = $1', [order]);
  await run('change', 'update orders set cents = $1 where id = $2', [order % 997, order]);
  await insert(run, order);
}

function insert(run: Run, order: number): Promise<unknown> {
  return run('note', 'insert into notes (order_id, body) values ($1, $2) returning id', [order, 'as agreed']);
}

const JOIN = `select orders.id, orders.cents, customers.name from orders join customers on customers.id = orders.customer_id
  where orders.customer_id = $1 order by orders.id desc limit 10`;

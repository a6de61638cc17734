const CUSTOMERS = 1_000;
const ORDERS = 20_000;

/** SQL that makes the tables, one message for each statement, because `vacuum` must have a message to itself. */
export const TABLES = [
  'create table customers (id int primary key, name text not null)',
  'create table orders (id int primary key, customer_id int not null references customers, cents int not null)',
  'create table notes (id int generated always as identity primary key, order_id int not null references orders, body text not null)',
  `insert into customers select n, 'Customer ' || n from generate_series(1, ${CUSTOMERS}) n`,
  `insert into orders select n, 1 + n % ${CUSTOMERS}, n % 9973 from generate_series(1, ${ORDERS}) n`,
  'create index on orders (customer_id, id)',
  'vacuum analyze',
];

export function someCustomer(): number {
  return 1 + Math.floor(Math.random() * CUSTOMERS);
}

export function someOrder(): number {
  return 1 + Math.floor(Math.random() * ORDERS);
}

import { EntitySchema, MikroORM } from '@mikro-orm/postgresql';
import { poolOf, tenure } from '@tenure/knex';
import knex from 'knex';

const Book = new EntitySchema({
  name: 'Book',
  properties: { id: { type: 'number', primary: true }, title: { type: 'string', unique: true } },
});
const db = knex(tenure({ client: 'pg', connection: process.env.DATABASE_URL }));
const orm = await MikroORM.init({ entities: [Book], dbName: 'app', driverOptions: db });

await db.raw('create table if not exists book (id serial primary key, title text unique not null)');
const em = orm.em.fork();
await em.transactional((tx) => tx.persist(tx.create(Book, { title: 'Emma' })));
for (let n = 0; n < 5; n++) await em.insert(Book, { title: 'Emma' }).catch((error) => error);
console.log(`${await em.count(Book)} book, ${poolOf(db).stats().opened} connection`);
await orm.close();

import { Pool } from '@tenure/core/pg';

// Each save of this file makes another pool. They share one limit, so nothing has to be kept on globalThis.
export const pool = new Pool({ connectionString: process.env.DATABASE_URL, application_name: 'next' });

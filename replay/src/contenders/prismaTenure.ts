import { tenure } from '@tenure/prisma';
import { newClient } from '../prisma/client.js';
import type { OpenApp } from './contender.js';
import { prismaApp, prismaConfig } from './prismaApp.js';

/** The same code plus the one call. The policy comes from the environment. */
export function prismaWithTenure(max: number): OpenApp {
  return async (url, schema) => {
    const stock = await newClient(prismaConfig(url, max), { schema });
    const client = stock.$extends(tenure());
    return prismaApp(client, client.$pool.stats().max);
  };
}

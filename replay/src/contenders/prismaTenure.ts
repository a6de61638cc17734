import { tenure } from '@tenure/prisma';
import { newClient } from '../prisma/client.js';
import type { OpenApp } from './contender.js';
import { prismaApp, prismaConfig } from './prismaApp.js';
import { setBudget } from './tenureLimit.js';

/** The same code with one more call. The policy comes from the environment. */
export function prismaWithTenure(max: number): OpenApp {
  return async (url, schema) => {
    setBudget(process.env);
    const stock = await newClient(prismaConfig(url, max), { schema });
    const client = stock.$extends(tenure());
    const app = await prismaApp(client, client.$pool.stats().max);
    return { ...app, budget: () => client.$pool.stats().budget?.limit ?? null };
  };
}

import { newClient } from '../prisma/client.js';
import type { OpenApp } from './contender.js';
import { prismaApp, prismaConfig } from './prismaApp.js';

/** Prisma with its defaults: one client for the process. */
export function stockPrisma(max: number): OpenApp {
  return async (url, schema) => prismaApp(await newClient(prismaConfig(url, max), { schema }), max);
}

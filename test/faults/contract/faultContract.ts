import { describe } from 'vitest';
import type { OpenAdapter } from '../../contract/adapterContract.js';
import type { OpenStock } from '../../contract/openStock.js';
import type { PostgresServer } from '../../support/postgres.js';
import { brownOut } from './brownOut.js';
import { connecting } from './connecting.js';
import { crowding } from './crowding.js';
import { downtime } from './downtime.js';
import { endings } from './endings.js';
import { failover } from './failover.js';
import { farewell } from './farewell.js';
import { inFlight } from './inFlight.js';
import { secrets } from './secrets.js';
import { silence } from './silence.js';
import { type Scope, Stages } from './stage.js';

/**
 * What every adapter survives, on a real server behind a network that breaks. Beside what each test asserts, `Subject` and `Stages` hold
 * for all of them: what was asked was answered or failed with an error that says why, nothing hangs, no connection is lent to two, and
 * after a drain none is left.
 */
export function faultContract(postgres: PostgresServer, open: OpenAdapter, openStock: OpenStock, scope: Scope): void {
  const stages = new Stages(postgres, open);
  describe('silence', () => silence(stages, scope));
  describe('downtime', () => downtime(stages, scope));
  describe('crowding', () => crowding(stages));
  describe('a brown-out', () => brownOut(stages, openStock, scope));
  describe('connecting', () => connecting(stages));
  describe('endings', () => endings(stages));
  describe('failover', () => failover(stages, scope));
  describe('farewell', () => farewell(stages));
  describe('secrets', () => secrets(stages));
  describe('in flight', () => inFlight(stages, scope));
}

import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { createPool } from '@tenure/core';
import { instrument } from '@tenure/otel';
import type { Peer, PeerKind } from '../pool/peers/peer.js';
import { connector, tenure } from '../pool/peers/tenure.js';

const NEVER_MS = 3_600_000;

/** A pool whose metrics are published, and collected at moments that the benchmark chooses. */
interface Instrumented extends Peer {
  collect(): Promise<unknown>;
}

function openInstrumented(max: number): Instrumented {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: NEVER_MS });
  const pool = createPool(connector, { maxConnections: max, name: 'bench' });
  const stop = instrument(pool, { meterProvider: new MeterProvider({ readers: [reader] }) });
  return {
    name: 'Tenure, instrumented',
    acquire: () => pool.acquire(),
    release: (connection) => pool.release(connection),
    async collect() {
      await reader.collect();
    },
    async close() {
      stop();
      await pool.drain();
    },
  };
}

export const instrumented = {
  name: 'Tenure, instrumented',
  open: openInstrumented,
  stub: tenure.stub,
} satisfies PeerKind;

/** The peers by the names of their processes. The one without channels is compiled without them, from the same sources. */
export const KINDS: Readonly<Record<string, PeerKind>> = {
  'without channels': tenure,
  Tenure: tenure,
  'Tenure, instrumented': instrumented,
};

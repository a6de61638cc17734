export type { Evidence, Finding, FindingId, Severity } from './judge/finding.js';
export { type Judgement, judge, type Verdict } from './judge/judge.js';
export { type Report, reportOf } from './print/report.js';
export { RecordingError, readRecording } from './sample/recording.js';
export type {
  Counters,
  PlanCounts,
  Recording,
  Refusal,
  Sample,
  ServerFacts,
  Session,
  Statement,
} from './sample/sample.js';

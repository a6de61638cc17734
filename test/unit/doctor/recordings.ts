import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Recording, readRecording } from '@tenure/doctor';

export function recordingText(name: string): string {
  return gunzipSync(readFileSync(new URL(`recordings/${name}.jsonl.gz`, import.meta.url))).toString();
}

export function recordingNamed(name: string): Recording {
  return readRecording(recordingText(name));
}

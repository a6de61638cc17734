#!/usr/bin/env node
import { EXIT } from './options.js';
import { run } from './run.js';

// A reader that has left, as in `| head`, is no failure of ours.
process.stdout.on('error', () => process.exit());

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = EXIT.ownFault;
  },
);

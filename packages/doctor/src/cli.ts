#!/usr/bin/env node
import { EXIT } from './options.js';
import { run } from './run.js';

// `| head` closes the pipe early, which must not end in an error message.
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

import { handler } from './handler.js';

// One instance of the function, as the platform runs it.
process.on('message', async (event) => {
  process.send(await handler(event).catch((error) => ({ error: error.message })));
});

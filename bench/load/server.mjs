// IoTHub with its default bounds, in a process that its parent can ask what was dropped: for the scenario `slow`. The built
// server as embedders have it; the command line has no window to look through yet.

import { Server } from '../../dist/index.js';

const server = new Server({ listeners: [{ host: '127.0.0.1', port: 0 }] });

const steps = {
  async serve() {
    await server.start();
    return server.addresses[0].port;
  },
  async stats() {
    return server.stats();
  },
};

process.on('message', ({ id, step }) => {
  steps[step]().then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));

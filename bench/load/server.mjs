// IoTHub with its default bounds, in a process that its parent can ask what was dropped: for the scenario `slow`. The built
// server as embedders have it; the command line has no window to look through yet.

import { Server } from '../../dist/index.js';

/** @type {Server} */
let server;

const steps = {
  /** `listener`: in the words of the server's options. */
  async serve({ listener }) {
    server = new Server({ listeners: [listener] });
    await server.start();
    return server.addresses[0].port;
  },
  async stats() {
    return server.stats();
  },
};

process.on('message', ({ id, step, plan }) => {
  steps[step](plan).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));

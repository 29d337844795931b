// A process that makes load: it does the steps that its parent tells it, and answers each with what it found.

import { accessSteps } from './access-steps.mjs';
import { connectSteps } from './connect-steps.mjs';
import { floodSteps } from './flood-steps.mjs';
import { loginSteps } from './login-steps.mjs';
import { retainedSteps } from './retained-steps.mjs';
import { onProgress, trafficSteps } from './traffic-steps.mjs';

const steps = {
  ...trafficSteps,
  ...connectSteps,
  ...retainedSteps,
  ...floodSteps,
  ...accessSteps,
  ...loginSteps,
};

process.on('message', (message) => {
  if (message.id === undefined) {
    onProgress(message);
    return;
  }
  const { id, step, plan } = message;
  steps[step](plan).then(
    (result) => process.send({ id, result: result ?? null }),
    (error) => process.send({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));

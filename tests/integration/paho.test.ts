// Paho Python (Debian's python3-paho-mqtt) against the built server.

import { expect, test } from 'vitest';
import { run, startHub } from './hub.ts';

/** Debian's interpreter: the one its package is installed for. */
const PYTHON = '/usr/bin/python3';

test.each([3, 4, 5])(
  'Paho Python in version %i: every QoS, a session that queues, a network that breaks',
  async (version) => {
    const hub = await startHub();
    const script = ['tests/integration/client_paho.py', String(hub.port), String(version)];
    const { code, stdout, stderr } = await run(PYTHON, script).finished;
    expect([code, stdout.trim()], stderr).toEqual([0, 'ok']);
  },
);

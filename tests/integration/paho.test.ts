// Paho Python (Debian's python3-paho-mqtt) against the built server, over TCP and WebSocket.

import { expect, test } from 'vitest';
import { Certificates, listener } from './doors.ts';
import { run, startHub } from './hub.ts';

/** Debian's interpreter: the one its package is installed for. */
const PYTHON = '/usr/bin/python3';

const certificates = new Certificates();
const TRANSPORTS = ['tcp', 'ws', 'wss'] as const;
const CASES = TRANSPORTS.flatMap((transport) =>
  [3, 4, 5].map((version) => [transport, version] as const),
);

test.each(CASES)(
  'Paho Python over %s in version %i: every QoS, a session that queues, a network that breaks',
  async (transport, version) => {
    const hub = await startHub(...listener(transport, certificates));
    const { code, stdout, stderr } = await run(PYTHON, [
      ...['tests/integration/client_paho.py', hub.urls[0], String(version), certificates.ca],
    ]).finished;
    expect([code, stdout.trim()], stderr).toEqual([0, 'ok']);
    await hub.says(`"transport":"${transport}"`);
  },
);

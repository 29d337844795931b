// Sending clients to another server. MQTT 5 §4.11, §3.2.2.3.16, §3.14.2.2.5.

import { expect, test } from 'vitest';
import { startServer } from '../kit/wire.ts';

const CONNECT = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";

for (const [name, code] of [
  ['0x9C Use another server', 0x9c],
  ['0x9D Server moved', 0x9d],
] as const) {
  const hexCode = code.toString(16);

  test(`an authenticator sends a client elsewhere with ${name} and a reference [MQTT-3.2.2-7]`, async () => {
    const broker = await startServer({
      authenticator: {
        authenticate: () => ({ reasonCode: code, reasonString: 'go', serverReference: 'b:1883' }),
      },
    });
    const client = broker.open();
    await client.send(CONNECT);
    await client.expectClosed(`
      20 11            // CONNACK
      00 ${hexCode}
      0e 1f 0002 'go'  // Reason String
      1c 0006 'b:1883' // Server Reference`);
  });

  test(`a connected client is sent elsewhere with DISCONNECT ${name} and a reference [MQTT-3.14.2-1] [MQTT-3.14.4-2]`, async () => {
    const broker = await startServer();
    const client = await broker.v5('a');
    expect(broker.server.disconnectClient('a', code, { serverReference: 'b:1883' })).toBe(true);
    await client.expectClosed(`e0 0b ${hexCode} 09 1c 0006 'b:1883'`); // Server Reference
  });
}

test('a v3.1.1 client that is sent elsewhere by an authenticator gets return code 3 [3.1.1 MQTT-3.2.2-5]', async () => {
  const broker = await startServer({
    authenticator: { authenticate: () => ({ reasonCode: 0x9c, serverReference: 'b:1883' }) },
  });
  const client = broker.open();
  await client.send("10 0d 0004 'MQTT' 04 02 0000 0001 'a'");
  await client.expectClosed('20 02 00 03');
});

test('a connected v3.1.1 client that is sent elsewhere is closed without a word [3.1.1 MQTT-4.8.0-1]', async () => {
  const broker = await startServer();
  const client = await broker.v3('a');
  broker.server.disconnectClient('a', 0x9c, { serverReference: 'b:1883' });
  await client.expectClosed();
});

test('a client that is not connected cannot be sent elsewhere', async () => {
  const broker = await startServer();
  expect(broker.server.disconnectClient('a', 0x9c, { serverReference: 'b:1883' })).toBe(false);
});

// What the page of browser.test.ts does, in the browser: talks MQTT over WebSocket to a server, and says how that went.

/* global mqtt */

/** Sends and gets every QoS and a large message; resolves with what came, or with why it did not connect. */
globalThis.talk = (url, protocolVersion) =>
  new Promise((resolve) => {
    const client = mqtt.connect(url, { protocolVersion, reconnectPeriod: 0 });
    const arrived = [];
    const done = (outcome) => {
      client.end(true);
      resolve({ ...outcome, arrived });
    };
    client.on('error', (error) => done({ outcome: `error: ${error.message}` }));
    client.on('close', () => done({ outcome: 'closed' }));
    client.on('message', (topic, payload, { qos }) => {
      arrived.push({ topic, qos, begin: payload.toString().slice(0, 10), length: payload.length });
      if (arrived.length === 4) done({ outcome: 'all came' });
    });
    client.on('connect', async () => {
      await client.subscribeAsync('page/#', { qos: 2 });
      for (const qos of [0, 1, 2])
        await client.publishAsync(`page/${qos}`, `hello ${qos}`, { qos });
      await client.publishAsync('page/big', 'x'.repeat(1_048_576), { qos: 1 });
    });
  });

// SUBSCRIBE and its answer: codes in order, filters that are refused one by one, packets that end the connection. MQTT 5 §3.8, §3.9.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { expectDisconnected } from '../kit/answers.ts';
import { startServer } from '../kit/wire.ts';

/** Nobody may subscribe to filters that begin with `no`; `later` decides when it is asked to. */
const denying: Authorizer = {
  authorizePublish: () => ReasonCode.Success,
  authorizeSubscribe: (_client, topicFilter) =>
    topicFilter.startsWith('no') ? ReasonCode.NotAuthorized : ReasonCode.Success,
};

test('each SUBSCRIBE is answered with one SUBACK with its packet id [MQTT-3.8.4-1] [MQTT-3.8.4-2] [3.1.1 MQTT-3.8.4-1] [3.1.1 MQTT-3.8.4-2]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 07 abcd 00 0001 't' 00 82 07 abce 00 0001 'u' 00");
  await client.expect('90 04 abcd 00 00', '90 04 abce 00 00');
});

test('SUBACK has the granted QoS of each filter, in their order [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send(`
    82 13           // SUBSCRIBE
    0001 00
    0001 'a' 02
    0001 'b' 00
    0001 'c' 01
    0001 'd' 02`);
  await client.expect('90 07 0001 00 02 00 01 02');
});

test('a v3.1.1 SUBACK has the granted QoS of each filter, in their order [3.1.1 MQTT-3.8.4-5] [3.1.1 MQTT-3.9.3-1]', async () => {
  const client = await (await startServer()).v3('a');
  await client.send("82 0e 0001 0001 'a' 02 0001 'b' 00 0001 'c' 01");
  await client.expect('90 05 0001 02 00 01');
});

test('invalid filters are refused one by one with 0x8F, the others are granted [MQTT-3.8.4-1] [MQTT-3.9.3-1] [MQTT-4.7.1-1] [MQTT-4.7.1-2]', async () => {
  const broker = await startServer();
  const client = await broker.v5('a');
  await client.send("82 14 0001 00 0002 'a#' 00 0001 'b' 01 0005 'a/#/b' 00");
  await client.expect('90 06 0001 00 8f 01 8f');
  expect(broker.server.stats().subscriptions).toBe(1);
});

for (const filter of ['a#', '#/a', 'a/#/b', '##', 'a/#a']) {
  test(`the filter ${filter} is refused with 0x8F, v3.1.1 0x80 [MQTT-4.7.1-1] [3.1.1 MQTT-4.7.1-2]`, async () => {
    const broker = await startServer();
    await expectInvalid(broker, filter);
  });
}

for (const filter of ['a+', '+a', 'a/+b', 'a/++/b', 'a+/b']) {
  test(`the filter ${filter} is refused with 0x8F, v3.1.1 0x80 [MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3]`, async () => {
    const broker = await startServer();
    await expectInvalid(broker, filter);
  });
}

for (const filter of ['$share', '$share/', '$share//t']) {
  test(`${filter} with no ShareName is refused with 0x8F, v3.1.1 0x80 [MQTT-4.8.2-1]`, async () => {
    const broker = await startServer();
    await expectInvalid(broker, filter);
  });
}

for (const filter of ['$share/g', '$share/g/', '$share/+/t', '$share/g#/t', '$share/g/a#']) {
  test(`${filter} is refused with 0x8F, v3.1.1 0x80 [MQTT-4.8.2-2]`, async () => {
    const broker = await startServer();
    await expectInvalid(broker, filter);
  });
}

async function expectInvalid(broker: Awaited<ReturnType<typeof startServer>>, filter: string) {
  const name = `00 ${two(filter.length)} '${filter}'`;
  const five = await broker.v5('five');
  await five.send(`82 ${two(6 + filter.length)} 0001 00 ${name} 00`);
  await five.expect('90 04 0001 00 8f');
  const three = await broker.v3('three');
  await three.send(`82 ${two(5 + filter.length)} 0001 ${name} 00`);
  await three.expect('90 03 0001 80');
  expect(broker.server.stats().subscriptions).toBe(0);
}

test('a refused filter reads as the QoS asked for in v3.1, which has no failure, and delivers nothing', async () => {
  const broker = await startServer({ authorizer: denying });
  const client = broker.open();
  await client.send("10 0f 0006 'MQIsdp' 03 02 0000 0001 'a'");
  await client.expect('20 02 00 00');
  await client.send("82 0f 0001 0002 'no' 02 0005 'a/#/b' 01");
  await client.expect('90 04 0001 02 01');
  expect(broker.server.stats().subscriptions).toBe(0);
});

test('a filter without permission is refused with 0x87 [MQTT-3.8.4-7] [MQTT-3.9.3-2]', async () => {
  const broker = await startServer({ authorizer: denying });
  const client = await broker.v5('a');
  await client.send("82 0d 0001 00 0002 'no' 01 0002 'ok' 01");
  await client.expect('90 05 0001 00 87 01');
  const publisher = await broker.v5('pub');
  await publisher.send("30 05 0002 'no' 00");
  await client.expectNothing();
});

test('a v3.1.1 filter without permission is refused with 0x80 [3.1.1 MQTT-3.9.3-2]', async () => {
  const broker = await startServer({ authorizer: denying });
  const client = await broker.v3('a');
  await client.send("82 0c 0001 0002 'no' 01 0002 'ok' 01");
  await client.expect('90 04 0001 80 01');
});

test('the authorizer sees the filter inside a shared subscription [MQTT-3.9.3-2]', async () => {
  const broker = await startServer({ authorizer: denying });
  const client = await broker.v5('a');
  await client.send("82 11 0001 00 000b '$share/g/no' 00");
  await client.expect('90 04 0001 00 87');
});

test('a SUBSCRIBE whose authorizer thinks is answered before what follows it [MQTT-3.8.4-1]', async () => {
  const answers: ((code: ReasonCode) => void)[] = [];
  const broker = await startServer({
    authorizer: {
      authorizePublish: () => ReasonCode.Success,
      authorizeSubscribe: () => new Promise((resolve) => answers.push(resolve)),
    },
  });
  const client = await broker.v5('a');
  await client.send("82 0b 0001 00 0001 'a' 01 0001 'b' 01 c0 00");
  await client.expectNothing();
  answers[1](ReasonCode.Success);
  answers[0](ReasonCode.NotAuthorized);
  await client.expect('90 05 0001 00 87 01', 'd0 00');
});

test('subscriptions past the limit are refused with 0x97; replacing one is not', async () => {
  const broker = await startServer({ limits: { subscriptionsPerClientMax: 1 } });
  const client = await broker.v5('a');
  await client.send("82 0b 0001 00 0001 'a' 00 0001 'b' 00");
  await client.expect('90 05 0001 00 00 97');
  await client.send("82 07 0002 00 0001 'a' 01");
  await client.expect('90 04 0002 00 01');
});

test('a server without wildcards refuses them with 0xA2 [MQTT-3.9.3-2]', async () => {
  const broker = await startServer({ limits: { wildcardSubscriptionAvailable: false } });
  const client = await broker.v5('a');
  await client.send("82 0b 0001 00 0001 '+' 00 0001 'a' 00");
  await client.expect('90 05 0001 00 a2 00');
});

test('a server without shared subscriptions refuses them with 0x9E [MQTT-3.9.3-2]', async () => {
  const broker = await startServer({ limits: { sharedSubscriptionAvailable: false } });
  const client = await broker.v5('a');
  await client.send("82 10 0001 00 000a '$share/g/t' 00");
  await client.expect('90 04 0001 00 9e');
});

test('a server without subscription identifiers ends the connection with 0xA1', async () => {
  const broker = await startServer({ limits: { subscriptionIdentifiersAvailable: false } });
  const client = await broker.v5('a');
  await client.send("82 09 0001 02 0b 01 0001 't' 00");
  await expectDisconnected(client, 0xa1);
});

for (const [what, packet, code, clause] of [
  ['with flags 0000', "80 07 0001 00 0001 't' 00", 0x81, 'MQTT-3.8.1-1'],
  ['with a filter that is not UTF-8', '82 07 0001 00 0001 ff 00', 0x81, 'MQTT-3.8.3-1'],
  ['without any filter', '82 03 0001 00', 0x82, 'MQTT-3.8.3-2'],
  ['with an empty filter', '82 06 0001 00 0000 00', 0x82, 'MQTT-4.7.3-1'],
  ['with U+0000 in a filter', '82 07 0001 00 0001 00 00', 0x81, 'MQTT-4.7.3-2'],
  ['with option bit 6', "82 07 0001 00 0001 't' 40", 0x81, 'MQTT-3.8.3-5'],
  ['with option bit 7', "82 07 0001 00 0001 't' 80", 0x81, 'MQTT-3.8.3-5'],
  ['with No Local on a shared filter', "82 10 0001 00 000a '$share/g/t' 04", 0x82, 'MQTT-3.8.3-4'],
] as const) {
  test(`a SUBSCRIBE ${what} ends the connection with 0x${code.toString(16)} [${clause}]`, async () => {
    const client = await (await startServer()).v5('a');
    await client.send(packet);
    await expectDisconnected(client, code, clause === 'MQTT-4.7.3-2' ? '' : clause);
  });
}

test('a SUBSCRIBE that asks for QoS 3 ends the connection with 0x82', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("82 07 0001 00 0001 't' 03");
  await expectDisconnected(client, 0x82);
});

for (const [what, packet, clause] of [
  ['with flags 0000', "80 06 0001 0001 't' 00", 'MQTT-3.8.1-1'],
  ['without any filter', '82 02 0001', 'MQTT-3.8.3-3'],
  ['with reserved option bits', "82 06 0001 0001 't' 04", 'MQTT-3-8.3-4'],
  ['that asks for QoS 3', "82 06 0001 0001 't' 03", 'MQTT-3-8.3-4'],
  ['with an empty filter', '82 05 0001 0000 00', 'MQTT-4.7.3-1'],
] as const) {
  test(`a v3.1.1 SUBSCRIBE ${what} closes the connection [3.1.1 ${clause}]`, async () => {
    const client = await (await startServer()).v3('a');
    await client.send(packet);
    await client.expectClosed();
  });
}

test('SUBACK has no Reason String or User Property, so it fits any Maximum Packet Size [MQTT-3.9.2-1] [MQTT-3.9.2-2]', async () => {
  const broker = await startServer({ authorizer: denying });
  const client = await broker.v5('a', true, '27 00000020');
  await client.send("82 08 0001 00 0002 'no' 00");
  await client.expect('90 04 0001 00 87');
});

function two(value: number): string {
  return value.toString(16).padStart(2, '0');
}

// Clients that all come back at once: after their network broke, after users and rules were read again, after the server was
// killed. Meanwhile somebody at the same address guesses passwords.

import { connect, type MqttClient } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { type Collector, open } from './collector.ts';
import { within } from './hub.ts';
import { DEVICE, SecuredHub } from './secured-hub.ts';

const FLEET = 100;
const GUESSERS = 3;
/** The default of `failures_max`: each has a client id of its own, and the user name is somebody's who came in lately. */
const FAILURES_MAX = 10;
const DEADLINE_MS = 60_000;

/** Each time that all of them have been connected again since they were cut. */
function returned(clients: readonly Collector[]): Promise<unknown> {
  const all = clients.map(
    ({ client }) => new Promise<void>((resolve) => client.once('connect', () => resolve())),
  );
  return within(
    Promise.all(all),
    () => `all are back, not only ${clients.filter(({ client }) => client.connected).length}`,
    DEADLINE_MS,
  );
}

/** Tries again and again. `codes`: by which it was refused. */
function guesser(url: string, i: number): { client: MqttClient; codes: unknown[] } {
  const codes: unknown[] = [];
  const options = { ...DEVICE, password: `guess ${i}`, clientId: `guesser-${i}` };
  const again = { reconnectPeriod: 20, reconnectOnConnackError: true };
  const client = connect(url, { ...options, ...again, protocolVersion: 5 });
  onTestFinished(() => void client.end(true));
  client.on('error', (error: Error & { code?: unknown }) => codes.push(error.code));
  client.on('connect', () => codes.push('let in'));
  return { client, codes };
}

/** Resolves when it was refused without a look at its password. */
function waits(client: MqttClient, codes: readonly unknown[]): Promise<void> {
  return new Promise((resolve) => {
    const look = () => codes.includes(0x97) && resolve();
    client.on('error', look);
    look();
  });
}

test('a fleet that comes back again and again is let in, whoever guesses beside it', {
  timeout: 180_000,
}, async () => {
  const secured = await SecuredHub.start();
  const said = await secured.users('add', 'fleet', '--machine', '--group', 'devices', '--json');
  const { password } = JSON.parse(said);
  const fleet: Collector[] = [];
  for (let i = 0; i < FLEET; i++) {
    const isPerson = i % 20 === 0; // whose password is expensive
    const account = isPerson ? DEVICE : { username: 'fleet', password };
    const options = { ...account, clientId: `c-${i}`, reconnectPeriod: 20 };
    const protocolVersion = i % 2 === 0 ? 5 : 4;
    fleet.push(
      await open(secured.hub, { ...options, protocolVersion }, [secured.mqtt, secured.ws][i % 2]),
    );
  }
  const guessers = Array.from({ length: GUESSERS }, (_, i) => guesser(secured.mqtt, i));
  const cut = () => {
    for (const { client } of fleet) client.stream.destroy();
  };

  for (let round = 0; round < 3; round++) {
    const back = returned(fleet);
    cut();
    await back;
  }

  // Nothing is remembered of passwords after this.
  secured.hub.process.kill('SIGHUP');
  await secured.hub.says('The configuration was reloaded');
  const again = returned(fleet);
  cut();
  await again;

  // After a crash nobody at this address has come in lately, and guessers who are faster would make the others wait.
  for (const { client, codes } of guessers) {
    await within(waits(client, codes), () => `a guesser is told to wait, not ${codes}`);
    await client.endAsync(true);
    expect(codes).not.toContain('let in');
    expect(codes.filter((code) => code === 0x86).length).toBeLessThanOrEqual(FAILURES_MAX);
  }

  const afterCrash = returned(fleet);
  await secured.hub.stop('SIGKILL');
  await secured.serve();
  await afterCrash;

  const { client } = fleet[1];
  await client.publishAsync('devices/fleet/a', 'x', { qos: 1 });
});

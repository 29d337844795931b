// What is wrong with the command line of the load generator is one sentence and exit code 2; a server that is not there, 1.

import { once } from 'node:events';
import net from 'node:net';
import { expect, test } from 'vitest';
import { bench, benchInProcess, benchWith } from './bench.ts';

test.each([
  [['nothing'], /There is no scenario "nothing"; there are pairs, fanout/],
  [['pairs', 'fanin'], /One scenario at a time, not pairs and fanin/],
  [['--fast'], /Unknown option '--fast'/],
  [['pairs', '-n', '0'], /-n is "0", but has to be a whole number from 1 to/],
  [['pairs', '--qos', '3'], /--qos is "3", but has to be a whole number from 0 to 2/],
  [['pairs', '-V', '3'], /-V is "3", but has to be a whole number from 4 to 5/],
  [['pairs', '--size', '15'], /--size is "15", but has to be a whole number from 16/],
  [['pairs', '--duration', 'long'], /--duration is "long", but has to be a number of seconds/],
  [['pairs', '--window'], /Option '--window <value>' argument missing/],
  [['--url', 'http://127.0.0.1'], /--url is "http:.*has to be like mqtt:\/\/127.0.0.1:1883/],
  [['--url', 'mqtt://192.0.2.1'], /--url names 192.0.2.1, which is not this machine.*--remote/],
  [['--pid', '1'], /--pid .* needs --url/],
  [['--url', 'mqtt://127.0.0.1/mqtt'], /--url is "mqtt:.*has to be like/],
  [['--url', 'ws://192.0.2.1/mqtt'], /--url names 192.0.2.1, which is not this machine/],
  [
    ['--url', 'ws://127.0.0.1', '--transport', 'ws'],
    /--transport is about servers that are started/,
  ],
  [
    ['--url', 'ws://127.0.0.1', '--against', 'a={port}'],
    /--against is about servers that are started/,
  ],
  [['--transport', 'tls'], /--transport is "tls", but has to be one of mqtt, mqtts, ws, wss/],
  [['--transport', 'ws,ws'], /--transport is "ws,ws", .* each once/],
  [['--transport', 'ws', '--frames', 'two'], /--frames is "two", but has to be message or batch/],
  [['--transport', 'mqtts', '--frames', 'batch'], /--frames is about WebSockets: ws or wss/],
  [['--url', 'ws://127.0.0.1', '--insecure'], /--insecure is about TLS: mqtts or wss/],
  [['connect', '--resume'], /--resume is about TLS: mqtts or wss/],
  [['--transport', 'wss', '--cert', 'a', '--key', 'b'], /--cert and --key .* a server of --url/],
  [['--url', 'wss://127.0.0.1', '--key', 'b'], /--key needs --cert/],
  [['--transport', 'wss', '--ca', '/nowhere'], /--ca cannot be read: ENOENT/],
  [['--transport', 'wss', '--ca', import.meta.filename], /--ca is .* no PEM file/],
  [['--url', 'ws://127.0.0.1', '--username', 'a'], /--username and --password belong together/],
  [['--username', 'a', '--password', 'b'], /--username and --password .* a server of --url/],
  [['access', '-n', '30', '--rules', '50'], /-n is 30, but 50 rules are for 25 users/],
  [['access', '--rules', '11k'], /--rules is "11k", but has to be a whole number from 4 to 10000/],
  [['login', '--url', 'mqtt://127.0.0.1'], /--url is about another server, and login compares/],
  [['login-storm', '--against', 'a={port}'], /--against is about another server, and login-storm/],
  [['login-storm', '--transport', 'ws'], /--transport is ws, but login-storm knows only mqtt/],
  [['login-storm', '--folder', '/nowhere'], /--folder is \/nowhere, which does not exist/],
  [['--against', 'mosquitto -p {port}'], /--against is "mosquitto.*has to be like 'Mosquitto=/],
  [['--against', 'Mosquitto=mosquitto -p 1883'], /--against is .*has to be like 'Mosquitto=/],
  [['--against', 'IoTHub=a {port}'], /two servers with the name IoTHub/],
])('%j', async (args, sentence) => {
  const { exitCode, stdout, stderr } = await benchInProcess(...args);
  expect(stderr).toMatch(sentence);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect([exitCode, stdout]).toEqual([2, '']);
});

test('so it is for a process', async () => {
  const { exitCode, stdout, stderr } = await bench('nothing');
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^bench: There is no scenario "nothing"; .*\n$/);
});

test('a server that is not there', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  const { exitCode, stderr } = await bench('pairs', '--url', `mqtt://127.0.0.1:${port}`);
  expect(stderr).toContain(`No MQTT server lets a client in at mqtt://127.0.0.1:${port}`);
  expect(exitCode).toBe(1);
});

test('no program that makes a certificate', async () => {
  const { exitCode, stderr } = await benchWith({ PATH: '' }, 'pairs', '--transport', 'mqtts');
  expect(stderr).toMatch(/^bench: A server with TLS needs a certificate, and the program openssl/);
  expect(exitCode).toBe(1);
});

test('a server to compare with that does not start', async () => {
  const { exitCode, stderr } = await bench(
    ...['pairs', '-n', '1', '--count', '1', '--duration', '10', '--drain', '10'],
    ...['--against', 'Peer=/nowhere/peer {port}'],
  );
  expect(stderr).toMatch(/Peer does not start:[\s\S]*\/nowhere\/peer/);
  expect(exitCode).toBe(1);
});

test('--help lists the scenarios and options', async () => {
  const { exitCode, stdout } = await bench('--help');
  expect(stdout).toMatch(/pairs[\s\S]*slow[\s\S]*--qos[\s\S]*--url/);
  expect(exitCode).toBe(0);
});

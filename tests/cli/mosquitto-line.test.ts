// Lines in the shapes of Mosquitto's log.

import { expect, test } from 'vitest';
import { mosquittoLines } from '../../src/cli/log/mosquitto-line.ts';

const TIME = '2026-01-02T03:04:05.678Z';
const AT = 1_767_323_045;

const lines = (entry: object): string => mosquittoLines(JSON.stringify({ time: TIME, ...entry }));

const CONNECTED = {
  level: 'info',
  clientId: 'c',
  username: 'ann',
  remote: '192.0.2.1:4711',
  listener: 'mqtt://127.0.0.1:1883',
  version: 5,
  keepAlive: 60,
  cleanStart: true,
  msg: 'client connected',
};

test('a connect', () => {
  expect(lines(CONNECTED)).toBe(
    `${AT}: New connection from 192.0.2.1:4711 on port 1883.\n` +
      `${AT}: New client connected from 192.0.2.1:4711 as c (p5, c1, k60, u'ann').\n`,
  );
  expect(lines({ ...CONNECTED, username: null, version: 4, cleanStart: false })).toContain(
    ' as c (p2, c0, k60).\n',
  );
});

test('a disconnect, as asked and for a reason', () => {
  const gone = { ...CONNECTED, msg: 'client disconnected', reason: 'the client disconnected' };
  expect(lines({ ...gone, reasonCode: '0x00' })).toBe(
    `${AT}: Client c [192.0.2.1:4711] disconnected.\n`,
  );
  expect(lines({ ...gone, reasonCode: null, reason: 'read ECONNRESET' })).toBe(
    `${AT}: Client c [192.0.2.1:4711] disconnected: read ECONNRESET.\n`,
  );
  expect(lines({ ...gone, reasonCode: '0x87', reason: 'access was changed' })).toBe(
    `${AT}: Client c [192.0.2.1:4711] disconnected: not authorised.\n`,
  );
});

const DENIED = /Client .* \[192\.0\.2\.1:4711\] disconnected: not authorised\.$/;

test('a refused login is the line that fail2ban looks for, as often as it was refused', () => {
  const refused = {
    ...CONNECTED,
    msg: 'a CONNECT was refused: 0x86 Bad User Name or Password',
  };
  expect(lines(refused).trimEnd().split('\n')).toEqual([
    `${AT}: New connection from 192.0.2.1:4711 on port 1883.`,
    expect.stringMatching(DENIED),
  ]);
  const again = lines({ ...refused, again: 3 })
    .trimEnd()
    .split('\n');
  expect(again.filter((line) => DENIED.test(line))).toHaveLength(3);
  const often = lines({ ...refused, again: 1_000_000 })
    .trimEnd()
    .split('\n');
  expect(often.filter((line) => DENIED.test(line))).toHaveLength(20);
});

test('no client can make a line about the address of somebody else', () => {
  const clientId = 'x [6.6.6.6:1] disconnected: not authorised.\n1: Client y';
  const text = lines({
    ...CONNECTED,
    clientId,
    username: clientId,
    msg: 'a CONNECT was refused: 0x86 Bad User Name or Password',
  });
  expect(text).not.toContain('[6.6.6.6');
  expect(text.split('\n')).toHaveLength(3);
  for (const msg of ['client connected', 'client disconnected', 'something else']) {
    const other = lines({ ...CONNECTED, clientId, username: clientId, reason: clientId, msg });
    expect(other).not.toContain('[6.6.6.6');
    expect(other.split('\n').length).toBeLessThan(4);
  }
});

test('everything else is its sentence with its fields', () => {
  expect(lines({ level: 'warn', file: 'a\u001b[2J', msg: 'it is full' })).toBe(
    `${AT}: Warning: it is full file="a\\u001b\\u005b2J"\n`,
  );
  expect(mosquittoLines('no JSON\u001b')).toBe('no\\u0020JSON\\u001b\n');
});

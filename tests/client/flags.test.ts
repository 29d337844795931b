// URLs of servers, and the values of -D.

import { describe, expect, test } from 'vitest';
import { readProperties } from '../../src/client/property-flag.ts';
import { describeAddress, parseServerUrl } from '../../src/client/server-address.ts';

describe('the URL of a server', () => {
  test.each([
    ['mqtt://hub', 'mqtt://hub:1883', null, null, null],
    ['mqtts://u:p%40%3F@hub/a/b', 'mqtts://hub:8883', 'u', 'p@?', 'a/b'],
    ['mqtt://[::1]:80/a/#', 'mqtt://[::1]:80', null, null, 'a/#'],
    ['mqtts://hub:443', 'mqtts://hub:443', null, null, null],
    ['ws://u@hub', 'ws://hub:8083/mqtt', 'u', null, null],
    ['wss://hub:9/x', 'wss://hub:9/x', null, null, null],
  ])('%s', (url, place, username, password, topic) => {
    const read = parseServerUrl(url);
    if (typeof read === 'string') throw new Error(read);
    expect(describeAddress(read.address)).toBe(place);
    expect(read).toMatchObject({ username, password, topic });
  });

  test.each([
    ['http://hub', 'begins with none of'],
    ['mqtt://', 'names no host'],
    ['mqtt:///x', 'names no host'],
    ['mqtt://u:secret@', 'names no host'],
    ['mqtt://u:secret@hub:99999', 'is no URL'],
    ['mqtt://u:a#b@hub/a', '%23'],
    ['mqtt://u:%zz@hub', 'write % as %25'],
  ])('%s is refused, and not repeated', (url, sentence) => {
    const read = parseServerUrl(url);
    expect(read).toContain(sentence);
    expect(read).not.toContain('secret');
  });
});

describe('-D', () => {
  test('reads each kind of value', () => {
    expect(
      readProperties([
        ['publish', 'payload-format-indicator', '1'],
        ['publish', 'correlation-data', 'x'],
        ['publish', 'user-property', 'a', '1'],
        ['publish', 'user-property', 'a', '2'],
        ['connect', 'receive-maximum', '65535'],
        ['connect', 'request-problem-information', '0'],
        ['subscribe', 'subscription-identifier', '7'],
        ['will', 'will-delay-interval', '0'],
      ]),
    ).toMatchObject({
      publish: {
        payloadFormatIndicator: 1,
        correlationData: Buffer.from('x'),
        userProperties: [
          ['a', '1'],
          ['a', '2'],
        ],
      },
      connect: { receiveMaximum: 65_535, requestProblemInformation: false },
      subscribe: { subscriptionIdentifiers: [7] },
      will: { willDelayInterval: 0 },
    });
  });

  test.each([
    [['auth', 'x', 'y'], '"auth" is no packet with properties'],
    [['publish', 'will-delay-interval', '1'], 'publish has no property "will-delay-interval"'],
    [['publish', 'subscription-identifier', '1'], 'publish has no property'],
    [['publish', 'content-type'], 'needs a value'],
    [['publish', 'user-property', 'a'], 'needs a name and a value'],
    [['publish', 'response-topic', 'a/#'], '"a/#" is not a topic name'],
    [['connect', 'receive-maximum', '0'], '"0" is not a number from 1 to 65535'],
    [['connect', 'receive-maximum', '65536'], '"65536" is not a number from 1 to 65535'],
    [['publish', 'payload-format-indicator', '2'], '"2" is not 0 or 1'],
  ])('%j is refused', (words, sentence) => {
    expect(readProperties([words])).toContain(sentence);
  });

  test('takes one of a kind', () => {
    const once = ['publish', 'content-type', 'x'];
    expect(readProperties([once, once])).toBe('publish content-type is given twice');
  });
});

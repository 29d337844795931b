import { describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../src/protocol/decode-limits.ts';
import { PacketType, type Properties } from '../../src/protocol/packet.ts';
import { Reader, Writer } from '../../src/protocol/primitives.ts';
import {
  hasProperties,
  NO_PROPERTIES,
  readProperties,
  writeProperties,
} from '../../src/protocol/properties.ts';
import { PROPERTY_ROWS, type PropertyOwner, WILL } from '../../src/protocol/property-table.ts';
import { hex, refusal, toHex } from './support.ts';

const P = PacketType;
const ALL_OWNERS: readonly PropertyOwner[] = [
  WILL,
  P.Connect,
  P.Connack,
  P.Publish,
  P.Puback,
  P.Pubrec,
  P.Pubrel,
  P.Pubcomp,
  P.Subscribe,
  P.Suback,
  P.Unsubscribe,
  P.Unsuback,
  P.Disconnect,
  P.Auth,
];

/** Reads a section whose properties are given; its length is put before them. */
function read(owner: PropertyOwner, digits: string, limits = NO_LIMITS): Properties {
  const body = hex(digits);
  const bytes = Uint8Array.of(body.length, ...body);
  const reader = new Reader('packet', bytes, 0, bytes.length);
  const properties = readProperties(reader, owner, limits);
  expect(reader.remaining).toBe(0);
  return properties;
}

function write(owner: PropertyOwner, properties: Properties): string {
  const writer = new Writer(0);
  writeProperties(writer, owner, properties);
  return toHex(writer.finish(0).subarray(2)); // behind a fixed header of two bytes
}

const reason = 'CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH';
const message = 'PUBLISH WILL';
const everywhere = `CONNECT SUBSCRIBE UNSUBSCRIBE ${reason} ${message}`;

/** MQTT 5 Table 2-4, spelt out: bytes, value, and the packets that may have it. */
const TABLE: readonly (readonly [string, Properties, string])[] = [
  ['01 01', { payloadFormatIndicator: 1 }, message],
  ['02 00 00 00 3c', { messageExpiryInterval: 60 }, message],
  ['03 00 02 61 62', { contentType: 'ab' }, message],
  ['08 00 03 61 2f 62', { responseTopic: 'a/b' }, message],
  ['09 00 02 00 ff', { correlationData: hex('00 ff') }, message],
  ['0b ff 7f', { subscriptionIdentifiers: [16_383] }, 'PUBLISH SUBSCRIBE'],
  ['11 ff ff ff ff', { sessionExpiryInterval: 0xffff_ffff }, 'CONNECT CONNACK DISCONNECT'],
  ['12 00 01 63', { assignedClientIdentifier: 'c' }, 'CONNACK'],
  ['13 00 3c', { serverKeepAlive: 60 }, 'CONNACK'],
  ['15 00 01 6d', { authenticationMethod: 'm' }, 'CONNECT CONNACK AUTH'],
  ['17 00', { requestProblemInformation: false }, 'CONNECT'],
  ['18 00 00 00 05', { willDelayInterval: 5 }, 'WILL'],
  ['19 01', { requestResponseInformation: true }, 'CONNECT'],
  ['1a 00 01 72', { responseInformation: 'r' }, 'CONNACK'],
  ['1c 00 01 73', { serverReference: 's' }, 'CONNACK DISCONNECT'],
  ['1f 00 02 6e 6f', { reasonString: 'no' }, reason],
  ['21 ff ff', { receiveMaximum: 65_535 }, 'CONNECT CONNACK'],
  ['22 00 0a', { topicAliasMaximum: 10 }, 'CONNECT CONNACK'],
  ['23 00 01', { topicAlias: 1 }, 'PUBLISH'],
  ['24 01', { maximumQoS: 1 }, 'CONNACK'],
  ['25 00', { retainAvailable: false }, 'CONNACK'],
  ['26 00 01 6b 00 01 76', { userProperties: [['k', 'v']] }, everywhere],
  ['27 00 00 00 01', { maximumPacketSize: 1 }, 'CONNECT CONNACK'],
  ['28 00', { wildcardSubscriptionAvailable: false }, 'CONNACK'],
  ['29 01', { subscriptionIdentifiersAvailable: true }, 'CONNACK'],
  ['2a 00', { sharedSubscriptionAvailable: false }, 'CONNACK'],
];

const OWNER_NAMES = new Map<string, PropertyOwner>([
  ['WILL', WILL],
  ...Object.entries(P).map(([name, type]) => [name.toUpperCase(), type] as const),
]);

describe.each(TABLE)('the property %s', (digits, value, names) => {
  const owners = names.split(' ').map((name) => OWNER_NAMES.get(name));

  it(`is read and written in ${names}`, () => {
    for (const owner of ALL_OWNERS.filter((each) => owners.includes(each))) {
      expect(read(owner, digits)).toEqual(value);
      expect(write(owner, value)).toBe(
        toHex(hex(hex(digits).length.toString(16).padStart(2, '0'), digits)),
      );
    }
    expect(owners).not.toContain(undefined);
  });

  it('is malformed and not written in every other packet', () => {
    for (const owner of ALL_OWNERS.filter((each) => !owners.includes(each))) {
      expect(
        refusal(() => read(owner, digits)),
        `owner ${owner}`,
      ).toBe('0x81 §2.2.2.2');
      expect(() => write(owner, value), `owner ${owner}`).toThrow(RangeError);
    }
  });

  it('is malformed when it is cut off', () => {
    const [owner] = ALL_OWNERS.filter((each) => owners.includes(each));
    const bytes = hex(digits);
    for (let length = 1; length < bytes.length; length++) {
      const refused = refusal(() => read(owner, toHex(bytes.subarray(0, length))));
      expect(refused.slice(0, 5), `${length} bytes of ${digits}`).toBe('0x81 ');
    }
  });

  it('may stand twice only if it is a list', () => {
    const [owner] = ALL_OWNERS.filter((each) => owners.includes(each));
    const isList = digits.startsWith('26') || digits.startsWith('0b');
    const refused = refusal(() => read(owner, digits + digits)).slice(0, 4);
    expect(refused).toBe(isList ? 'acce' : '0x82');
  });
});

describe('property sections', () => {
  it('know every property of the specification', () => {
    const identifiers = PROPERTY_ROWS.map((row) => row.identifier);
    expect(identifiers).toHaveLength(27);
    const tested = TABLE.map(([digits]) => Number.parseInt(digits.slice(0, 2), 16));
    expect([...tested, 0x16].sort()).toEqual([...identifiers].sort());
  });

  it('carry authentication data only with a method', () => {
    const both = { authenticationMethod: 'm', authenticationData: hex('ff') };
    for (const owner of [P.Connect, P.Connack, P.Auth]) {
      expect(read(owner, '15 00 01 6d 16 00 01 ff')).toEqual(both);
      expect(write(owner, both)).toBe('08 15 00 01 6d 16 00 01 ff');
      expect(refusal(() => read(owner, '16 00 01 ff'))).toBe('0x82 §3.1.2.11.10');
      expect(() => write(owner, { authenticationData: hex('ff') })).toThrow(RangeError);
    }
  });

  it.each([
    ['Payload Format Indicator 2', P.Publish, '01 02', '0x82 §3.3.2.3.2'],
    ['Request Problem Information 2', P.Connect, '17 02', '0x82 §3.1.2.11.7'],
    ['Request Response Information 2', P.Connect, '19 02', '0x82 §3.1.2.11.6'],
    ['Receive Maximum 0', P.Connect, '21 00 00', '0x82 §3.1.2.11.3'],
    ['Maximum Packet Size 0', P.Connect, '27 00 00 00 00', '0x82 §3.1.2.11.4'],
    ['Maximum QoS 2', P.Connack, '24 02', '0x82 §3.2.2.3.4'],
    ['Retain Available 2', P.Connack, '25 02', '0x82 §3.2.2.3.5'],
    ['Wildcard Subscription Available 2', P.Connack, '28 02', '0x82 §3.2.2.3.11'],
    ['Subscription Identifier Available 2', P.Connack, '29 02', '0x82 §3.2.2.3.12'],
    ['Shared Subscription Available 2', P.Connack, '2a 02', '0x82 §3.2.2.3.13'],
    ['Subscription Identifier 0', P.Subscribe, '0b 00', '0x82 §3.8.2.1.2'],
    [
      'Subscription Identifier of five bytes',
      P.Subscribe,
      '0b 80 80 80 80 01',
      '0x81 MQTT-1.5.5-1',
    ],
    ['Topic Alias 0 [MQTT-3.3.2-8]', P.Publish, '23 00 00', '0x94 MQTT-3.3.2-8'],
    ['an empty Response Topic [MQTT-4.7.3-1]', P.Publish, '08 00 00', '0x90 MQTT-4.7.3-1'],
    ['a + in it [MQTT-3.3.2-14]', P.Publish, '08 00 01 2b', '0x90 MQTT-3.3.2-14'],
    ['a # in the will’s [MQTT-3.3.2-14]', WILL, '08 00 01 23', '0x90 MQTT-3.3.2-14'],
    ['bad UTF-8 in it [MQTT-3.3.2-13]', P.Publish, '08 00 01 ff', '0x81 MQTT-3.3.2-13'],
    ['a bad Content Type [MQTT-3.3.2-19]', P.Publish, '03 00 01 ff', '0x81 MQTT-3.3.2-19'],
    ['a bad user property name [MQTT-1.5.7-1]', P.Auth, '26 00 01 ff 00 00', '0x81 MQTT-1.5.7-1'],
    ['a bad user property value [MQTT-1.5.7-1]', P.Auth, '26 00 00 00 01 00', '0x81 MQTT-1.5.7-1'],
    ['a bad Reason String [MQTT-1.5.4-1]', P.Puback, '1f 00 01 80', '0x81 MQTT-1.5.4-1'],
    ['an unknown property', P.Connect, '04 00', '0x81 §2.2.2.2'],
    ['property 0', P.Connect, '00', '0x81 §2.2.2.2'],
    ['an identifier that is longer than needed', P.Connect, '91 00 00 00 00 00', '0x81 §2.2.2.2'],
    ['two subscription identifiers in SUBSCRIBE', P.Subscribe, '0b 01 0b 02', '0x82 §3.8.2.1.2'],
  ] as const)('are refused for %s', (_name, owner, digits, expected) => {
    expect(refusal(() => read(owner, digits))).toBe(expected);
  });

  it('keep user properties in order, the same name twice as well [MQTT-3.3.2-17]', () => {
    const digits = '26 00 01 62 00 01 31 26 00 01 61 00 01 32 26 00 01 62 00 01 33';
    const value: Properties = {
      userProperties: [
        ['b', '1'],
        ['a', '2'],
        ['b', '3'],
      ],
    };
    expect(read(P.Publish, digits)).toEqual(value);
    expect(write(P.Publish, value)).toBe(`15 ${digits}`);
  });

  it('keep the order in which the caller names them', () => {
    expect(write(P.Connect, { receiveMaximum: 1, sessionExpiryInterval: 0 })).toBe(
      '08 21 00 01 11 00 00 00 00',
    );
  });

  it('hold only as many user properties as the limit allows', () => {
    const one = '26 00 01 6b 00 01 76';
    const limits = { ...NO_LIMITS, userPropertiesMax: 2 };
    expect(refusal(() => read(P.Connect, one + one, limits))).toBe('accepted');
    expect(refusal(() => read(P.Connect, one + one + one, limits))).toBe(
      '0x97 limit user_properties_max',
    );
    const none = { ...NO_LIMITS, userPropertiesMax: 0 };
    expect(refusal(() => read(P.Connect, one, none))).toBe('0x97 limit user_properties_max');
  });

  it('end with their packet at the latest', () => {
    const bytes = hex('06', '11 00 00 00 05');
    const reader = new Reader('packet', bytes, 0, bytes.length);
    expect(refusal(() => readProperties(reader, P.Connect, NO_LIMITS))).toBe('0x81 §2.2.2.1');
  });

  it('do not read what lies behind them', () => {
    const bytes = hex('04', '11 00 00 00 05'); // the length stops one byte short
    const reader = new Reader('packet', bytes, 0, bytes.length);
    expect(refusal(() => readProperties(reader, P.Connect, NO_LIMITS))).toBe('0x81 §3.1.2.11.2');
  });

  it('of length 0 are one frozen object', () => {
    expect(read(P.Connect, '')).toBe(NO_PROPERTIES);
    expect(Object.isFrozen(NO_PROPERTIES)).toBe(true);
    expect(write(P.Connect, {})).toBe('00');
  });

  it.each([[127], [128], [16_383], [16_384], [65_537]])('have a length of %i bytes', (length) => {
    // A user property takes 5 bytes besides its texts; two share what is too long for one.
    const first = Math.min(length - 10, 60_000);
    const value: Properties = {
      userProperties: [
        ['', 'a'.repeat(first)],
        ['', 'b'.repeat(length - 10 - first)],
      ],
    };
    const writer = new Writer();
    writeProperties(writer, P.Connect, value);
    const bytes = writer.finish(0);
    const reader = new Reader('packet', bytes, 1, bytes.length);
    reader.variableByteInteger('the Remaining Length', '');
    const before = reader.position;
    expect(readProperties(reader, P.Connect, NO_LIMITS)).toEqual(value);
    expect(reader.remaining).toBe(0);
    expect(reader.position - before - length).toBe(length < 128 ? 1 : length < 16_384 ? 2 : 3);
  });

  it('leave out what is undefined or an empty list', () => {
    const nothing: Properties = { reasonString: undefined, userProperties: [] };
    expect(hasProperties(nothing)).toBe(false);
    expect(write(P.Connack, nothing)).toBe('00');
    expect(hasProperties({ retainAvailable: false })).toBe(true);
  });

  it.each([
    ['a Receive Maximum of 0', P.Connect, { receiveMaximum: 0 }],
    ['a Receive Maximum of 65,536', P.Connect, { receiveMaximum: 65_536 }],
    ['a Maximum Packet Size of 0', P.Connect, { maximumPacketSize: 0 }],
    ['a Session Expiry Interval of 2³²', P.Connect, { sessionExpiryInterval: 2 ** 32 }],
    ['half a second', P.Publish, { messageExpiryInterval: 0.5 }],
    ['a negative interval', P.Publish, { messageExpiryInterval: -1 }],
    ['NaN', P.Publish, { messageExpiryInterval: Number.NaN }],
    ['a Maximum QoS of 2', P.Connack, { maximumQoS: 2 as 1 }],
    ['U+0000 in a string', P.Connack, { reasonString: 'a\0b' }],
    ['half a surrogate pair', P.Connack, { reasonString: '\ud83d' }],
    ['a string of 65,536 bytes', P.Connack, { reasonString: 'a'.repeat(65_536) }],
    ['binary data of 65,536 bytes', P.Publish, { correlationData: new Uint8Array(65_536) }],
    ['a property of its own invention', P.Connect, { colour: 'red' } as Properties],
  ] as const)('are not written with %s', (_name, owner, properties) => {
    expect(() => write(owner, properties)).toThrow(RangeError);
  });
});

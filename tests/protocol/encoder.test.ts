import { describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/protocol/encoder.ts';
import { type Packet, PacketType, type Properties } from '../../src/protocol/packet.ts';
import { toHex } from './support.ts';

const TALKATIVE: Properties = { reasonString: 'no', userProperties: [['k', 'v']] };

/** Packets that may lose what is for people, with the bytes of each form: whole, without user properties, bare. */
const SHORTENABLE: readonly (readonly [string, Packet, readonly [string, string, string]])[] = [
  [
    'CONNACK [MQTT-3.2.2-19] [MQTT-3.2.2-20]',
    { type: PacketType.Connack, sessionPresent: false, reasonCode: 0x87, properties: TALKATIVE },
    [
      '20 0f 00 87 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76',
      '20 08 00 87 05 1f 00 02 6e 6f',
      '20 03 00 87 00',
    ],
  ],
  [
    'PUBACK [MQTT-3.4.2-2] [MQTT-3.4.2-3]',
    { type: PacketType.Puback, packetId: 1, reasonCode: 0x87, properties: TALKATIVE },
    [
      '40 10 00 01 87 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76',
      '40 09 00 01 87 05 1f 00 02 6e 6f',
      '40 03 00 01 87',
    ],
  ],
  [
    'PUBREC [MQTT-3.5.2-2] [MQTT-3.5.2-3]',
    { type: PacketType.Pubrec, packetId: 1, reasonCode: 0, properties: TALKATIVE },
    [
      '50 10 00 01 00 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76',
      '50 09 00 01 00 05 1f 00 02 6e 6f',
      '50 02 00 01',
    ],
  ],
  [
    'PUBREL [MQTT-3.6.2-2] [MQTT-3.6.2-3]',
    { type: PacketType.Pubrel, packetId: 1, reasonCode: 0x92, properties: TALKATIVE },
    [
      '62 10 00 01 92 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76',
      '62 09 00 01 92 05 1f 00 02 6e 6f',
      '62 03 00 01 92',
    ],
  ],
  [
    'PUBCOMP [MQTT-3.7.2-2] [MQTT-3.7.2-3]',
    { type: PacketType.Pubcomp, packetId: 1, reasonCode: 0x92, properties: TALKATIVE },
    [
      '70 10 00 01 92 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76',
      '70 09 00 01 92 05 1f 00 02 6e 6f',
      '70 03 00 01 92',
    ],
  ],
  [
    'SUBACK [MQTT-3.9.2-1] [MQTT-3.9.2-2]',
    { type: PacketType.Suback, packetId: 1, reasonCodes: [0x87], properties: TALKATIVE },
    [
      '90 10 00 01 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76 87',
      '90 09 00 01 05 1f 00 02 6e 6f 87',
      '90 04 00 01 00 87',
    ],
  ],
  [
    'UNSUBACK [MQTT-3.11.2-1] [MQTT-3.11.2-2]',
    { type: PacketType.Unsuback, packetId: 1, reasonCodes: [0x87], properties: TALKATIVE },
    [
      'b0 10 00 01 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76 87',
      'b0 09 00 01 05 1f 00 02 6e 6f 87',
      'b0 04 00 01 00 87',
    ],
  ],
  [
    'DISCONNECT [MQTT-3.14.2-3] [MQTT-3.14.2-4]',
    { type: PacketType.Disconnect, reasonCode: 0x87, properties: TALKATIVE },
    ['e0 0e 87 0c 1f 00 02 6e 6f 26 00 01 6b 00 01 76', 'e0 07 87 05 1f 00 02 6e 6f', 'e0 01 87'],
  ],
  [
    'AUTH [MQTT-3.15.2-2] [MQTT-3.15.2-3]',
    {
      type: PacketType.Auth,
      reasonCode: 0x18,
      properties: { authenticationMethod: 'm', ...TALKATIVE },
    },
    [
      'f0 12 18 10 15 00 01 6d 1f 00 02 6e 6f 26 00 01 6b 00 01 76',
      'f0 0b 18 09 15 00 01 6d 1f 00 02 6e 6f',
      'f0 06 18 04 15 00 01 6d',
    ],
  ],
];

describe('encodePacket', () => {
  it.each(SHORTENABLE)('shortens %s to the maximum packet size', (_name, packet, forms) => {
    const [whole, shorter, bare] = forms;
    const length = (digits: string) => (digits.length + 1) / 3;
    const encoded = (maximum: number) => toHex(encodePacket(packet, 5, maximum));
    expect(encoded(Number.POSITIVE_INFINITY)).toBe(whole);
    expect(encoded(length(whole))).toBe(whole);
    expect(encoded(length(whole) - 1)).toBe(shorter);
    expect(encoded(length(shorter))).toBe(shorter);
    expect(encoded(length(shorter) - 1)).toBe(bare);
    expect(encoded(length(bare))).toBe(bare);
    expect(encoded(length(bare) - 1)).toBe('null');
  });

  it('gives null for a message or request that is too large, whole as it is [MQTT-3.1.2-24]', () => {
    const packets: readonly Packet[] = [
      {
        type: PacketType.Publish,
        dup: false,
        qos: 0,
        retain: false,
        topicName: 'a',
        packetId: 0,
        payload: new Uint8Array(2),
        properties: { userProperties: [['k', 'v']] },
      },
      {
        type: PacketType.Unsubscribe,
        packetId: 1,
        topicFilters: ['a'],
        properties: { userProperties: [['k', 'v']] },
      },
    ];
    for (const packet of packets) {
      const size = encodePacket(packet, 5)?.length ?? 0;
      expect(encodePacket(packet, 5, size)).not.toBeNull();
      expect(encodePacket(packet, 5, size - 1)).toBeNull();
    }
    expect(encodePacket({ type: PacketType.Pingresp }, 5, 1)).toBeNull();
  });

  it('does not change the packet that it shortens', () => {
    const [, packet] = SHORTENABLE[0];
    const before = structuredClone(packet);
    encodePacket(packet, 5, 5);
    expect(packet).toEqual(before);
  });
});

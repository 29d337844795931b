import { describe, expect, it } from 'vitest';
import { PacketType } from '../../src/protocol/packet.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import {
  isLegalReasonCode,
  isServerDisconnectCode,
  LEGAL_REASON_CODES,
  reasonCodeName,
} from '../../src/protocol/reason-code-table.ts';
import { connackReturnCodeV3, subackReturnCodeV3 } from '../../src/protocol/reason-codes-v3.ts';

function legal(type: PacketType): string {
  const codes: string[] = [];
  for (let code = 0; code < 256; code++) {
    if (isLegalReasonCode(type, code)) codes.push(code.toString(16).padStart(2, '0'));
  }
  return codes.join(' ');
}

describe('reason codes', () => {
  it.each([
    [
      'CONNACK [MQTT-3.2.2-8]',
      PacketType.Connack,
      '00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f',
    ],
    ['PUBACK [MQTT-3.4.2-1]', PacketType.Puback, '00 10 80 83 87 90 91 97 99'],
    ['PUBREC [MQTT-3.5.2-1]', PacketType.Pubrec, '00 10 80 83 87 90 91 97 99'],
    ['PUBREL [MQTT-3.6.2-1]', PacketType.Pubrel, '00 92'],
    ['PUBCOMP [MQTT-3.7.2-1]', PacketType.Pubcomp, '00 92'],
    ['SUBACK [MQTT-3.9.3-2]', PacketType.Suback, '00 01 02 80 83 87 8f 91 97 9e a1 a2'],
    ['UNSUBACK [MQTT-3.11.3-2]', PacketType.Unsuback, '00 11 80 83 87 8f 91'],
    [
      'DISCONNECT [MQTT-3.14.2-1]',
      PacketType.Disconnect,
      '00 04 80 81 82 83 87 89 8b 8c 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2',
    ],
    ['AUTH [MQTT-3.15.2-1]', PacketType.Auth, '00 18 19'],
    ['PUBLISH, which has none', PacketType.Publish, ''],
  ])('of %s', (_name, type, expected) => {
    expect(legal(type)).toBe(expected);
  });

  it('a server may say in DISCONNECT leave out those of clients [MQTT-3.14.2-1]', () => {
    const forbidden = LEGAL_REASON_CODES[PacketType.Disconnect].filter(
      (code) => !isServerDisconnectCode(code),
    );
    expect(forbidden).toEqual([ReasonCode.DisconnectWithWill, ReasonCode.BadAuthenticationMethod]);
    expect(isServerDisconnectCode(0x86)).toBe(false);
  });

  it('have the names of the specification', () => {
    const names = Object.values(ReasonCode).map(reasonCodeName);
    expect(names.filter((name) => name.startsWith('unknown'))).toEqual([]);
    expect(new Set(names).size).toBe(new Set(Object.values(ReasonCode)).size);
    expect(reasonCodeName(0x87)).toBe('Not authorized');
    expect(reasonCodeName(0x03)).toBe('unknown (0x03)');
  });

  it.each([
    [0x00, 0],
    [0x84, 1],
    [0x85, 2],
    [0x80, 3],
    [0x88, 3],
    [0x89, 3],
    [0x97, 3],
    [0x9c, 3],
    [0x9d, 3],
    [0x9f, 3],
    [0x86, 4],
    [0x87, 5],
    [0x8a, 5],
    [0x8c, 5],
    [0x90, 5],
    [0x9a, 5],
    [0x9b, 5],
  ])('0x%s reads %i in a CONNACK of 3.1.1', (code, expected) => {
    expect(connackReturnCodeV3(code)).toBe(expected);
  });

  it('in a SUBACK of 3.1.1 are the granted QoS or 0x80 [MQTT-3.9.3-2]', () => {
    expect([0, 1, 2].map(subackReturnCodeV3)).toEqual([0, 1, 2]);
    for (const code of LEGAL_REASON_CODES[PacketType.Suback]) {
      if (code >= 0x80) expect(subackReturnCodeV3(code)).toBe(0x80);
    }
  });
});

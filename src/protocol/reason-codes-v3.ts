// How reason codes read in MQTT 3.1 and 3.1.1, which know return codes in CONNACK and SUBACK only
// (3.1.1 §3.2.2.3, §3.9.3). What has no return code of its own takes the nearest: "not authorized" when asking again would not
// help, "server unavailable" when it might.

import { ReasonCode } from './reason-code.ts';

/** CONNACK return codes of MQTT 3.1.1 Table 3.1. */
export const ConnectReturnCode = {
  Accepted: 0,
  UnacceptableProtocolVersion: 1,
  IdentifierRejected: 2,
  ServerUnavailable: 3,
  BadUserNameOrPassword: 4,
  NotAuthorized: 5,
} as const;
export type ConnectReturnCode = (typeof ConnectReturnCode)[keyof typeof ConnectReturnCode];

/** What SUBACK of MQTT 3.1.1 says about a filter that was refused. [MQTT-3.9.3-2] */
export const SUBSCRIBE_FAILURE = 0x80;

/** The CONNACK return code that tells a v3 client what `reasonCode` tells a v5 one. MQTT 3.1.1 §3.2.2.3. */
export function connackReturnCodeV3(reasonCode: number): ConnectReturnCode {
  switch (reasonCode) {
    case ReasonCode.Success:
      return ConnectReturnCode.Accepted;
    case ReasonCode.UnsupportedProtocolVersion:
      return ConnectReturnCode.UnacceptableProtocolVersion;
    case ReasonCode.ClientIdentifierNotValid:
      return ConnectReturnCode.IdentifierRejected;
    case ReasonCode.BadUserNameOrPassword:
      return ConnectReturnCode.BadUserNameOrPassword;
    case ReasonCode.NotAuthorized:
    case ReasonCode.Banned:
    case ReasonCode.BadAuthenticationMethod:
    case ReasonCode.TopicNameInvalid: // the will's
    case ReasonCode.RetainNotSupported:
    case ReasonCode.QoSNotSupported:
      return ConnectReturnCode.NotAuthorized;
    default:
      return ConnectReturnCode.ServerUnavailable;
  }
}

/** The SUBACK return code of a v3 client: the granted QoS, or 0x80 for every failure. MQTT 3.1.1 §3.9.3. */
export function subackReturnCodeV3(reasonCode: number): 0 | 1 | 2 | typeof SUBSCRIBE_FAILURE {
  switch (reasonCode) {
    case ReasonCode.GrantedQoS0:
    case ReasonCode.GrantedQoS1:
    case ReasonCode.GrantedQoS2:
      return reasonCode;
    default:
      return SUBSCRIBE_FAILURE;
  }
}

// Answers of authenticators and authorizers, read as what they are: anything, since plain JavaScript and endpoints may answer
// what they like. What is right is made anew of the fields that the contract knows; what is wrong throws an Error whose
// sentence says what, for the log. Whoever asks refuses then: access is never given by mistake.

import { PacketType } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { isLegalReasonCode } from '../protocol/reason-code-table.ts';
import { utf8Length } from '../protocol/utf8.ts';
import type {
  Accepted,
  AuthStep,
  Claims,
  Client,
  Decision,
  Explanation,
  Refused,
  SubscribeVerdict,
  Verdict,
} from './auth.ts';
import { UNDECIDED } from './auth.ts';
import { permissionsOf } from './permission.ts';

const TEXT_BYTES_MAX = 65_535;
/** What no UTF-8 string of MQTT may hold. MQTT 5 §1.5.4 */
const NOT_TEXT = /[\0\p{Surrogate}]/u;

type Fields = Readonly<Record<string, unknown>>;

/** Throws when it is no Decision. */
export function decisionOf(answer: unknown): Decision {
  if (answer === 'next') return answer;
  const fields = fieldsOf(answer, 'a decision: "next", or an object with a reasonCode');
  return fields.reasonCode === ReasonCode.Success ? acceptedOf(fields) : refusedOf(fields);
}

/** Throws when it is no step of an exchange. */
export function stepOf(answer: unknown): AuthStep {
  const fields = fieldsOf(answer, 'a step: an object with a reasonCode');
  if (fields.reasonCode === ReasonCode.ContinueAuthentication) {
    return { reasonCode: ReasonCode.ContinueAuthentication, data: bytesOf(fields.data ?? null) };
  }
  if (fields.reasonCode !== ReasonCode.Success) return refusedOf(fields);
  return { ...acceptedOf(fields), data: bytesOf(fields.data ?? null) ?? undefined };
}

/** Throws when it is no Verdict. */
export function verdictOf(answer: unknown): Verdict {
  if (answer === UNDECIDED) return UNDECIDED;
  if (typeof answer === 'number' && Number.isInteger(answer) && answer >= 0 && answer <= 0xff) {
    return answer as ReasonCode;
  }
  throw new Error(`it answered ${shown(answer)}, which is no verdict: a reason code or UNDECIDED`);
}

/** Throws when it is no answer to a SUBSCRIBE. */
export function subscribeVerdictOf(answer: unknown): SubscribeVerdict {
  if (typeof answer !== 'object' || answer === null) return verdictOf(answer);
  const { qosMax, isWhole } = answer as Fields;
  if (qosMax !== 0 && qosMax !== 1 && qosMax !== 2) {
    throw new Error(`the qosMax of its grant is ${shown(qosMax)}: 0, 1 or 2 is expected`);
  }
  if (typeof isWhole !== 'boolean') {
    throw new Error(`the isWhole of its grant is ${shown(isWhole)}: true or false is expected`);
  }
  return { qosMax, isWhole };
}

/** Throws when it is no Explanation. */
export function explanationOf(answer: unknown): Explanation {
  const fields = fieldsOf(answer, 'an explanation');
  const { outcome, source, rule, file, line, reason } = fields;
  if (outcome !== 'allow' && outcome !== 'deny' && outcome !== 'undecided') {
    throw new Error(`the outcome of its explanation is ${shown(outcome)}`);
  }
  if (typeof source !== 'string' || typeof reason !== 'string') {
    throw new Error('its explanation has no source or no reason');
  }
  if (line !== null && !(typeof line === 'number' && Number.isInteger(line) && line > 0)) {
    throw new Error(`the line of its explanation is ${shown(line)}: a number from 1, or null`);
  }
  return {
    outcome,
    source,
    rule: rule === null ? null : String(rule),
    file: file === null ? null : String(file),
    line,
    reason,
  };
}

/** Throws when it is not there, is no text that MQTT can carry, or is longer. */
export function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is ${shown(value)}: a text is expected`);
  if (NOT_TEXT.test(value)) throw new Error(`${what} holds U+0000 or half a character`);
  if (utf8Length(value) > TEXT_BYTES_MAX) {
    throw new Error(`${what} has more than ${TEXT_BYTES_MAX} bytes`);
  }
  return value;
}

/** A value as a sentence shows it: its kind, and no text that may be secret. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function fieldsOf(answer: unknown, expected: string): Fields {
  if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) {
    return answer as Fields;
  }
  throw new Error(`it answered ${shown(answer)}, which is not ${expected}`);
}

function acceptedOf(fields: Fields): Accepted {
  const { username, groups, claims, permissions, expiresAtMs, responseInformation } = fields;
  const { credential } = fields;
  if (username === undefined) {
    throw new Error('it lets the client in without a username: a text, or null for anonymous');
  }
  return {
    reasonCode: ReasonCode.Success,
    username: username === null ? null : textOf(username, 'the username'),
    groups: groups === undefined ? undefined : groupsOf(groups),
    claims: claims === undefined ? undefined : claimsOf(claims),
    permissions: permissions === undefined ? undefined : permissionsOf(permissions),
    credential: credential === undefined ? undefined : textOf(credential, 'the credential'),
    expiresAtMs: expiresAtMs === undefined ? undefined : timeOf(expiresAtMs),
    responseInformation:
      responseInformation === undefined
        ? undefined
        : textOf(responseInformation, 'the responseInformation'),
  };
}

/** What a review made of a client: the same user. Throws when it is neither a client nor null. */
export function reviewOf(answer: unknown, client: Client): Client | null {
  if (answer === null || answer === client) return answer as Client | null;
  const fields = fieldsOf(answer, 'a client, or null');
  if (fields.username !== client.username) throw new Error('its review changed the username');
  const { groups, claims, permissions } = acceptedOf(fields);
  return { ...client, groups, claims, permissions };
}

function refusedOf({ reasonCode, reasonString, detail, about, serverReference }: Fields): Refused {
  if (typeof reasonCode !== 'number' || !isLegalReasonCode(PacketType.Connack, reasonCode)) {
    throw new Error(`its reasonCode is ${shown(reasonCode)}, which CONNACK does not have`);
  }
  return {
    reasonCode,
    reasonString: optionalText(reasonString, 'the reasonString'),
    detail: detail === undefined ? undefined : String(detail),
    about: optionalText(about, 'the about'),
    serverReference: optionalText(serverReference, 'the serverReference'),
  };
}

function optionalText(value: unknown, what: string): string | undefined {
  return value === undefined ? undefined : textOf(value, what);
}

function groupsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new Error(`groups is ${shown(value)}: a list is expected`);
  return value.map((group: unknown) => textOf(group, 'one of groups'));
}

function claimsOf(value: unknown): Claims {
  return { ...fieldsOf(value, 'an object of claims') };
}

function timeOf(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new Error(`expiresAtMs is ${shown(value)}: milliseconds since 1970 are expected`);
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value;
  throw new Error(`its data is ${shown(value)}: bytes (Uint8Array) or null are expected`);
}

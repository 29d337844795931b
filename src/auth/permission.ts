// Permissions that come with an identity, read from whatever an authenticator or an endpoint gave. One that is not understood
// is an error of the whole, not left out: what is left out may be a deny.

import { DEFAULT_LIMITS } from '../core/limits.ts';
import { parseTopicFilter } from '../protocol/filter.ts';
import type { QoS } from '../protocol/packet.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { Permission } from './auth.ts';

const PERMISSIONS_MAX = 1_000;
const ACTIONS: readonly string[] = ['publish', 'subscribe', 'receive'];
const FIELDS: readonly string[] = ['effect', 'actions', 'topicFilters', 'qosMax', 'retain'];

/** Throws an Error that says which is wrong, and why. */
export function permissionsOf(value: unknown): readonly Permission[] {
  if (!Array.isArray(value)) throw new Error('permissions is no list');
  if (value.length > PERMISSIONS_MAX) {
    throw new Error(`there are ${value.length} permissions; at most ${PERMISSIONS_MAX} are read`);
  }
  return value.map((one: unknown, i) => permissionOf(one, `permissions[${i}]`));
}

function permissionOf(value: unknown, where: string): Permission {
  if (typeof value !== 'object' || value === null) throw new Error(`${where} is no object`);
  const unknown = Object.keys(value).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) {
    throw new Error(`${where} has a field that is not known; known are ${FIELDS.join(', ')}`);
  }
  const { effect, actions, topicFilters, qosMax, retain } = value as Readonly<
    Record<string, unknown>
  >;
  if (effect !== 'allow' && effect !== 'deny') {
    throw new Error(`${where}.effect must be "allow" or "deny"`);
  }
  if (qosMax !== undefined && qosMax !== 0 && qosMax !== 1 && qosMax !== 2) {
    throw new Error(`${where}.qosMax must be 0, 1 or 2`);
  }
  if (retain !== undefined && typeof retain !== 'boolean') {
    throw new Error(`${where}.retain must be true or false`);
  }
  return {
    effect,
    actions: actionsOf(actions, where),
    topicFilters: filtersOf(topicFilters, where),
    ...(qosMax === undefined ? {} : { qosMax: qosMax as QoS }),
    ...(retain === undefined ? {} : { retain }),
  };
}

function actionsOf(value: unknown, where: string): Permission['actions'] {
  if (Array.isArray(value) && value.length > 0 && value.every((one) => ACTIONS.includes(one))) {
    return [...value] as Permission['actions'];
  }
  throw new Error(`${where}.actions must be a list of ${ACTIONS.join(', ')}`);
}

function filtersOf(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new Error(`${where}.topicFilters must be a list of topic filters`);
  }
  for (const filter of value as readonly unknown[]) {
    if (typeof filter !== 'string')
      throw new Error(`${where}.topicFilters has one that is no text`);
    try {
      const { shareName } = parseTopicFilter(filter, DEFAULT_LIMITS);
      if (shareName === null) continue;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new Error(`${where}.topicFilters has one that is not valid: ${error.message}`);
    }
    throw new Error(`${where}.topicFilters has one with $share: leave $share/<name>/ away`);
  }
  return [...value] as string[];
}

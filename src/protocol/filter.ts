// Topic filters and topic names as text: what is valid, what a filter means, and the plain definition of matching that
// the router's tree is tested against. MQTT 5 §4.7, §4.8.2.

import { ProtocolError } from './protocol-error.ts';
import { ReasonCode } from './reason-code.ts';
import type { TopicLimits } from './topic.ts';
import { utf8Length } from './utf8.ts';

const SHARE = '$share';

/** A valid topic filter, taken apart. */
export interface ParsedFilter {
  /** What is matched: without `$share/<name>/`. */
  readonly topicFilter: string;
  /** null: not a Shared Subscription */
  readonly shareName: string | null;
  readonly hasWildcard: boolean;
  /** `topicFilter` between its slashes; at least one, any may be empty. */
  readonly levels: readonly string[];
}

/**
 * Takes a topic filter apart as SUBSCRIBE and UNSUBSCRIBE carry it, `$share/<name>/<filter>` included.
 * `topicLengthMax` counts all its bytes, `topicLevelsMax` the levels that are matched.
 * Throws ProtocolError TopicFilterInvalid. MQTT 5 §4.7.1, §4.8.2.
 */
export function parseTopicFilter(filter: string, limits: TopicLimits): ParsedFilter {
  if (filter.length === 0) throw invalidFilter('MQTT-4.7.3-1', 'the topic filter is empty');
  if (filter.includes('\0'))
    throw invalidFilter('MQTT-4.7.3-2', 'the topic filter contains U+0000');
  const length = utf8Length(filter);
  if (length > limits.topicLengthMax) {
    throw invalidFilter(
      'limit topic_length_max',
      `the topic filter has ${length} bytes; at most ${limits.topicLengthMax} are allowed`,
    );
  }
  let topicFilter = filter;
  let shareName: string | null = null;
  if (filter === SHARE || filter.startsWith(`${SHARE}/`)) {
    const nameEnd = filter.indexOf('/', SHARE.length + 1);
    shareName = filter.slice(SHARE.length + 1, nameEnd === -1 ? filter.length : nameEnd);
    if (shareName === '') throw invalidFilter('MQTT-4.8.2-1', 'the ShareName is empty');
    if (shareName.includes('+') || shareName.includes('#')) {
      throw invalidFilter('MQTT-4.8.2-2', 'the ShareName contains a wildcard');
    }
    topicFilter = nameEnd === -1 ? '' : filter.slice(nameEnd + 1);
    if (topicFilter === '') {
      throw invalidFilter('MQTT-4.8.2-2', 'no topic filter follows the ShareName');
    }
  }
  const levels = topicFilter.split('/', Math.min(limits.topicLevelsMax, 65_535) + 1);
  if (levels.length > limits.topicLevelsMax) {
    throw invalidFilter(
      'limit topic_levels_max',
      `the topic filter has more than ${limits.topicLevelsMax} levels`,
    );
  }
  return { topicFilter, shareName, hasWildcard: checkWildcards(levels), levels };
}

/** Takes `$share/<name>/` off a filter that was found valid before, by whatever limits. MQTT 5 §4.8.2 */
export function splitSharedFilter(filter: string): {
  readonly topicFilter: string;
  readonly shareName: string | null;
} {
  if (!filter.startsWith(`${SHARE}/`)) return { topicFilter: filter, shareName: null };
  const nameEnd = filter.indexOf('/', SHARE.length + 1);
  return {
    topicFilter: filter.slice(nameEnd + 1),
    shareName: filter.slice(SHARE.length + 1, nameEnd),
  };
}

/** Whether there are wildcards; throws when one is misplaced. MQTT 5 §4.7.1 */
function checkWildcards(levels: readonly string[]): boolean {
  let hasWildcard = false;
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i];
    if (level.includes('#')) {
      if (level !== '#' || i !== levels.length - 1) {
        throw invalidFilter('MQTT-4.7.1-1', '# stands elsewhere than alone on the last level');
      }
      hasWildcard = true;
    } else if (level.includes('+')) {
      if (level !== '+') throw invalidFilter('MQTT-4.7.1-2', '+ does not fill its level');
      hasWildcard = true;
    }
  }
  return hasWildcard;
}

/** Throws ProtocolError TopicNameInvalid unless `topicName` is one, within the limits. MQTT 5 §4.7.3. */
export function checkTopicName(
  topicName: string,
  limits: TopicLimits,
  wildcardClause = 'MQTT-4.7.0-1',
): void {
  if (topicName.length === 0) throw invalidName('MQTT-4.7.3-1', 'the topic name is empty');
  if (topicName.includes('\0')) throw invalidName('MQTT-4.7.3-2', 'the topic name contains U+0000');
  const length = utf8Length(topicName);
  if (length > limits.topicLengthMax) {
    throw invalidName(
      'limit topic_length_max',
      `the topic name has ${length} bytes; at most ${limits.topicLengthMax} are allowed`,
    );
  }
  let levels = 1;
  for (let i = 0; i < topicName.length; i++) {
    const character = topicName[i];
    if (character === '+' || character === '#') {
      throw invalidName(wildcardClause, 'the topic name contains a wildcard');
    }
    if (character === '/') levels++;
  }
  if (levels > limits.topicLevelsMax) {
    throw invalidName(
      'limit topic_levels_max',
      `the topic name has ${levels} levels; at most ${limits.topicLevelsMax} are allowed`,
    );
  }
}

/** Whether a valid topic name matches a valid filter (without `$share`): the definition, not the fast way. MQTT 5 §4.7. */
export function matchesFilter(topicName: string, filter: string): boolean {
  if (topicName.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) {
    return false; // [MQTT-4.7.2-1]
  }
  const names = topicName.split('/');
  const levels = filter.split('/');
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] === '#') return true; // the parent level as well: `a/#` matches `a`
    if (i >= names.length) return false;
    if (levels[i] !== '+' && levels[i] !== names[i]) return false; // [MQTT-4.7.3-4]
  }
  return names.length === levels.length;
}

function invalidFilter(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.TopicFilterInvalid, clause, message);
}

function invalidName(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.TopicNameInvalid, clause, message);
}

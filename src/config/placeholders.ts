// Texts of rules in which something of the client stands: `%c` its id, `%u` its user name, `${claim.x}` a claim, `${cert}` the
// name in its certificate. A `%` or `${` that is none of these is a mistake: taken literally, the rule would never fit.

import { parseTopicFilter } from '../protocol/filter.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';

const CLAIM = /\$\{(?:cert|claim(?:\.[^{}/+#\s.]+)+)\}/g;
const NO_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

/** What is wrong with the topic filter of a rule and what would be right, or null. */
export function ruleTopicProblem(filter: string): string | null {
  const share = /^\$share\/[^/]*\/(.*)$/.exec(filter);
  if (share !== null) {
    return `${quote(filter)} is asked for without $share and its name: write ${quote(share[1])}`;
  }
  const filled = filter.replace(CLAIM, 'x').replace(/%[cu]/g, 'x');
  const problem = leftOver(filter, filled, '%c for the client id, %u for the user name');
  if (problem !== null) return problem;
  try {
    parseTopicFilter(filled, NO_LIMITS);
    return null;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return `${quote(filter)} is not a topic filter: ${error.message}`;
  }
}

/** What is wrong with the client id of a rule, or null. */
export function ruleClientIdProblem(clientId: string): string | null {
  if (clientId.includes('%c')) {
    return `${quote(clientId)} compares the client id with itself: %u stands for the user name`;
  }
  const filled = clientId.replace(CLAIM, 'x').replaceAll('%u', 'x');
  return leftOver(clientId, filled, '%u for the user name');
}

/** What looks like a placeholder and is none. */
function leftOver(text: string, filled: string, known: string): string | null {
  if (filled.includes('%')) {
    return `${quote(text)} has a % that is no placeholder: write ${known}`;
  }
  if (!/\$\{/.test(filled)) return null;
  return `${quote(text)} has a \${ that is no placeholder: write \${claim.name} or \${cert}`;
}

function quote(text: string): string {
  const shown = JSON.stringify(text);
  return shown.length > 80 ? `${shown.slice(0, 79)}…"` : shown;
}

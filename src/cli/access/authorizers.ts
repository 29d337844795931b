// From [[authorizers]] and [[rules]] to the chain that a server asks what a client may do.

import type { AuthorizerMember } from '../../auth/acl/authorizer-chain.ts';
import type { AuthorizerConfig } from '../../config/access-config.ts';
import type { Config } from '../../config/config.ts';
import { baseOf, httpOptions, type Part } from './parts.ts';
import type { AccessServices } from './services.ts';

/** Of those that answer at once. */
const TIMEOUT_MS = 10_000;

/** Throws AccessError with what is wrong with it. */
export async function buildAuthorizer(
  one: AuthorizerConfig,
  config: Config,
  services: AccessServices,
): Promise<Part<AuthorizerMember>> {
  const { name } = one;
  const { clock, logger } = services;
  switch (one.kind) {
    case 'acl-file': {
      const { AclFileAuthorizer } = await import('../../auth/acl/acl-file.ts');
      const { file } = one;
      const { suback } = config.access;
      const made = await AclFileAuthorizer.load({ name, file, suback });
      const { entries, warnings } = made.acl;
      const lines = new Map(
        entries.map(({ username, text }) => [`${username ?? ''}: ${text}`, '']),
      );
      const inventories = [{ title: `rules of ${file}`, file, entries: lines, isOrdered: true }];
      const member = { name, authorizer: made, timeoutMs: TIMEOUT_MS };
      return { made: member, warnings, inventories };
    }
    case 'rules': {
      const { RulesAuthorizer } = await import('../../auth/acl/rules.ts');
      const { ruleWarnings } = await import('../../auth/acl/access-rule.ts');
      const { rules } = config;
      const authorizer = new RulesAuthorizer({ name, rules });
      const made = { name, authorizer, timeoutMs: TIMEOUT_MS };
      return { made, warnings: ruleWarnings(rules) };
    }
    case 'claims': {
      const { ClaimsAuthorizer } = await import('../../auth/acl/claims.ts');
      return { made: { name, authorizer: new ClaimsAuthorizer({ name }), timeoutMs: TIMEOUT_MS } };
    }
    case 'http': {
      const { HttpAuthorizer } = await import('../../auth/http/authorizer.ts');
      const authorizer = await HttpAuthorizer.load(httpOptions(name, one, services), one.ca);
      const { timeoutMs, queueMax } = one;
      // It ends its waiting by itself: a question may wait once in the queue and once for its answer.
      const made = {
        name,
        authorizer,
        timeoutMs: queueMax > 0 ? 2 * timeoutMs + 1_000 : timeoutMs,
      };
      return { made };
    }
    case 'module': {
      const { loadAuthorizerModule } = await import('../../auth/module.ts');
      const { module: type, options, timeoutMs } = one;
      const base = baseOf(type);
      const authorizer = await loadAuthorizerModule({
        ...{ name, type, base, options, timeoutMs, logger, clock },
      });
      return { made: { name, authorizer, timeoutMs } };
    }
  }
}

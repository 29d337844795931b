// Clients and files as the tests of access control write them.

import { AccessError } from '../../../src/auth/access-error.ts';
import { type AclFile, parseAclFile } from '../../../src/auth/acl/acl-lines.ts';
import type { KnownClient } from '../../../src/auth/acl/filter-template.ts';
import type { ConnectRequest } from '../../../src/auth/auth.ts';
import { connectRequest as anyRequest } from '../../kit/connect-request.ts';

/** A client by its user name (null: anonymous) and client id. */
export function client(
  username: string | null,
  clientId = 'c1',
  rest: Partial<KnownClient> = {},
): KnownClient {
  return { clientId, username, protocolVersion: 5, remoteAddress: '127.0.0.1', ...rest };
}

export function connectRequest(rest: Partial<ConnectRequest> = {}): ConnectRequest {
  return anyRequest({ clientId: 'c1', keepAlive: 0, remotePort: 4_711, ...rest });
}

/** The content of an ACL file, which must be without mistakes. */
export function acl(...lines: string[]): AclFile {
  return parseAclFile('acl', new TextEncoder().encode(`${lines.join('\n')}\n`));
}

/** What is wrong, one line a problem; empty: nothing. */
export function problems(run: () => unknown): string[] {
  try {
    run();
    return [];
  } catch (error) {
    if (error instanceof AccessError) return error.message.split('\n');
    throw error;
  }
}

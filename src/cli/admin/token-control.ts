// The tokens, as commands and the admin API change them.

import type { Token } from '../../auth/tokens/token.ts';
import { TokenError, type Tokens } from '../../auth/tokens/tokens.ts';
import type { ControlledToken, NewToken, TokenControl } from '../../server/contract/tokens.ts';
import { ControlError } from '../../server/contract.ts';
import { removeTokenFile } from './first-token.ts';

const PROBLEMS = { invalid: 'invalid', exists: 'exists', full: 'failed' } as const;

/** `folder`: the data folder; null: there is none. `onRemoved`: one does not count any more. */
export function tokenControl(
  tokens: Tokens,
  folder: string | null,
  onRemoved: () => void = () => {},
): TokenControl {
  return {
    list: async () => tokens.list().map(shown),
    add: ({ name, role, expiresInMs }: NewToken, origin) =>
      tokens.add({ name, role, origin, expiresInMs }).then(
        ({ token, secret }) => ({ token: shown(token), secret }),
        (error: unknown) => {
          if (!(error instanceof TokenError)) throw error;
          throw new ControlError(PROBLEMS[error.problem], error.message);
        },
      ),
    async remove(name) {
      const removed = await tokens.remove(name);
      onRemoved();
      if (removed !== null && folder !== null) await removeTokenFile(folder, removed);
      return removed !== null;
    },
  };
}

function shown({ name, role, origin, createdAtMs, expiresAtMs }: Token): ControlledToken {
  return {
    ...{ name, role, origin },
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
}

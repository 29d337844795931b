// Whether files are at rest: which ones access control is read from, and what tells that one of them was written. Who reads them
// looks before and afterwards, so that nothing is taken for whole that somebody writes meanwhile.

import { stat } from 'node:fs/promises';
import type { AuthenticatorConfig, AuthorizerConfig } from '../../config/access-config.ts';
import type { Config } from '../../config/config.ts';

/** Files that were written so lately may be written on. */
const FRESH_MS = 1_000;

/** Files as they were at some moment. */
export interface Look {
  /** By the file; another text once it is written or replaced, there or gone. */
  readonly signatures: ReadonlyMap<string, string>;
  /** One of them was written just before, or is not there: whoever replaces it may be about to. */
  readonly isFresh: boolean;
}

/** The files that authenticators and authorizers are read from. */
export function accessFiles({
  authenticators,
  authorizers,
}: Pick<Config, 'authenticators' | 'authorizers'>): readonly string[] {
  return [...new Set([...authenticators, ...authorizers].flatMap(filesOf))];
}

function filesOf(one: AuthenticatorConfig | AuthorizerConfig): readonly string[] {
  switch (one.kind) {
    case 'password-file':
    case 'acl-file':
      return [one.file];
    case 'http':
      return one.ca === null ? [] : [one.ca];
    case 'jwt':
      return one.keys.flatMap(({ file, secretFile }) => [file ?? [], secretFile ?? []].flat());
    default:
      return []; // modules are loaded once
  }
}

export async function lookAt(files: readonly string[]): Promise<Look> {
  const signatures = new Map<string, string>();
  let isFresh = false;
  for (const file of files) {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      signatures.set(file, [dev, ino, size, mtimeNs, ctimeNs].join(':'));
      if (Date.now() - Number(ctimeNs / 1_000_000n) < FRESH_MS) isFresh = true;
    } catch (error) {
      signatures.set(file, (error as NodeJS.ErrnoException).code ?? 'failed');
      isFresh = true;
    }
  }
  return { signatures, isFresh };
}

export function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, mark]) => b.get(name) === mark);
}

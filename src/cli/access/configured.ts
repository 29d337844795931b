// What access control consists of by the configuration, for what a reload says of it. What may be secret is told apart by its
// digest only.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type AccessConfig, DEFAULT_RULE, type RuleConfig } from '../../config/access-config.ts';
import type { Config } from '../../config/config.ts';
import { keyOf } from '../../config/settings.ts';
import type { Inventory } from './inventory.ts';

/** The keys of `[access]` that count from the next start on. */
export const ACCESS_AT_START = [
  'hashWorkers',
  'hashQueueMax',
  'credentialsTtlMs',
  'credentialsMax',
] as const satisfies readonly (keyof AccessConfig)[];

/** Everything but what is in files of its own. */
export async function configuredInventories(config: Config): Promise<readonly Inventory[]> {
  const { access, authenticators, authorizers, groups, penalties, quotas } = config;
  const named = (all: readonly { readonly name: string }[]) =>
    all.map((one): [string, string] => [one.name, digestOf(JSON.stringify(one))]);
  const live = Object.entries(access).filter(
    ([key]) => !ACCESS_AT_START.some((late) => late === key),
  );
  const own = (
    title: string,
    entries: readonly (readonly [string, string])[],
    more: Pick<Inventory, 'isOrdered' | 'keeps'> = {},
  ): Inventory => ({ title, file: null, entries: new Map(entries), ...more });
  return [
    // Without them everybody may come and do everything.
    own('authenticators', named(authenticators), { isOrdered: true, keeps: 'some' }),
    own('authorizers', named(authorizers), { isOrdered: true, keeps: 'some' }),
    own('files of keys', await contents(keyFiles(config))),
    own('rules of the configuration', config.rules.map(marked), { isOrdered: true, keeps: 'most' }),
    own('groups', named(groups)),
    own('quotas', quotas.map(marked)),
    own('[access]', settings(live)),
    own('[penalties]', settings(Object.entries(penalties))),
  ];
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64');
}

function settings(values: readonly (readonly [string, unknown])[]): [string, string][] {
  return values.map(([key, value]) => [keyOf(key), JSON.stringify(value)]);
}

/** They have no names: they are told by what they say. */
function marked(one: object): [string, string] {
  const { line: _line, file: _file, ...said } = one as Partial<RuleConfig>;
  const defaults: Readonly<Record<string, unknown>> = { ...DEFAULT_RULE, effect: undefined };
  const told = Object.entries(said).filter(
    ([key, value]) => value !== null && value !== defaults[key],
  );
  return [told.map(([key, value]) => `${keyOf(key)} ${[value].flat().join(' ')}`).join(' '), ''];
}

/** Of what is no list of anything. */
function keyFiles({ authenticators, authorizers }: Config): readonly string[] {
  return [...authenticators, ...authorizers].flatMap((one) => {
    if (one.kind === 'http') return one.ca ?? [];
    return one.kind === 'jwt' ? one.keys.flatMap(({ file }) => file ?? []) : [];
  });
}

/** A file that cannot be read is somebody else's problem. */
function contents(files: readonly string[]): Promise<[string, string][]> {
  return Promise.all(
    files.map(async (file): Promise<[string, string]> => {
      const content = await readFile(file).catch(() => '');
      return [file, digestOf(content)];
    }),
  );
}

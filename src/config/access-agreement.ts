// What of authenticators and authorizers is fine alone and wrong together: keys of another type, names that are not there or
// twice, endpoints that would be asked in the clear, listeners by which nobody could come.

import { nameOf } from './access-compose.ts';
import {
  type AuthenticatorConfig,
  type AuthorizerConfig,
  authenticatorsOf,
  type HttpConfig,
  isGuarded,
} from './access-config.ts';
import { AUTHENTICATOR_TYPES, AUTHORIZER_TYPES, kindOf, type TypeKeys } from './access-settings.ts';
import type { Config } from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import { jwtProblems } from './jwt-agreement.ts';
import type { Disagreement } from './listener-agreement.ts';
import type { ListenerConfig } from './listener-config.ts';
import { isLoopbackUrl } from './loopback.ts';
import { nearest } from './nearest.ts';
import type { RawConfig, RawTable } from './raw.ts';
import { keyOf } from './settings.ts';

type Types = Readonly<Record<string, TypeKeys>>;

/** `raw`: what was said of it. */
export function accessDisagreements(raw: RawConfig, config: Config): ConfigProblem[] {
  return [
    ...chainProblems('authenticators', raw.authenticators, AUTHENTICATOR_TYPES),
    ...chainProblems('authorizers', raw.authorizers, AUTHORIZER_TYPES),
    ...config.authenticators.flatMap((one, i) => at(`authenticators[${i}]`, ownProblems(one))),
    ...config.authorizers.flatMap((one, i) => at(`authorizers[${i}]`, ownProblems(one))),
    ...storeProblems(config),
  ];
}

function at(path: string, problems: readonly Disagreement[]): ConfigProblem[] {
  return problems.map(({ key, message }) => ({
    path: key === '' ? path : `${path}.${key}`,
    message,
    line: null,
  }));
}

/** Types, names and keys of one of the two chains. */
function chainProblems(
  chain: 'authenticators' | 'authorizers',
  tables: readonly RawTable[] = [],
  types: Types,
): ConfigProblem[] {
  const others = chain === 'authorizers' ? AUTHENTICATOR_TYPES : AUTHORIZER_TYPES;
  return tables.flatMap((table, index) => {
    const before = tables.slice(0, index);
    const path = `${chain}[${index}]`;
    const wrongType = typeProblem(table, before, types, others);
    if (wrongType !== null) return at(path, [wrongType]);
    const wrongName = nameProblem(table, before);
    const kind = kindOf(table.type, types) as string;
    return at(path, [
      ...(wrongName === null ? [] : [wrongName]),
      ...keyProblems(table, kind, types),
    ]);
  });
}

function typeProblem(
  { type }: RawTable,
  before: readonly RawTable[],
  types: Types,
  others: Types,
): Disagreement | null {
  const names = Object.keys(types).filter((name) => name !== 'module');
  if (typeof type !== 'string') {
    const known = names.map((name) => `"${name}"`).join(', ');
    return { key: '', message: `has no type: add type = one of ${known}, or a module` };
  }
  if (names.includes(type)) {
    if (!types[type].isSingle || !before.some((one) => one.type === type)) return null;
    return { key: 'type', message: `"${type}" is there already, and has nothing of its own` };
  }
  if (Object.hasOwn(others, type) && type !== 'module') {
    const header = others === AUTHORIZER_TYPES ? '[[authorizers]]' : '[[authenticators]]';
    return { key: 'type', message: `"${type}" belongs to ${header}` };
  }
  const near = /^[./@]/.test(type) ? null : nearest(type, names);
  if (near !== null) {
    const message = `${JSON.stringify(type)} is no type; did you mean "${near}"? A package of such a name is named by its path`;
    return { key: 'type', message };
  }
  if (isModuleName(type)) return null;
  const message = `${JSON.stringify(type)} is neither ${names.join(', ')} nor a module: write a path as ./mine.js, or the name of a package`;
  return { key: 'type', message };
}

function isModuleName(type: string): boolean {
  return /^(?:[./]|(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(?:\/|$))/.test(type);
}

function nameProblem(table: RawTable, before: readonly RawTable[]): Disagreement | null {
  const name = nameOf(table);
  if (name === '' || !before.some((one) => nameOf(one) === name)) return null;
  const message = `${JSON.stringify(name)} is the name of another already: add name = "…"`;
  return { key: table.name === undefined ? '' : 'name', message };
}

/** Keys that this type does not have, and those that it needs. */
function keyProblems(table: RawTable, kind: string, types: Types): Disagreement[] {
  const shown = kind === 'module' ? 'a module' : `type "${kind}"`;
  const said = Object.keys(table).filter((key) => key !== 'type' && key !== 'name');
  const own = keysOf(types[kind]);
  const foreign = said
    .filter((key) => !own.includes(key))
    .map((key) => {
      const right = Object.keys(types).filter((one) => keysOf(types[one]).includes(key));
      const known = right.map((one) => (one === 'module' ? 'a module' : `type "${one}"`));
      return { key, message: `${shown} has no such key; it belongs to ${known.join(' or ')}` };
    });
  const missing = Object.entries(types[kind].needs)
    .filter(([key]) => table[key] === undefined)
    .map(([, line]) => ({ key: '', message: `${shown} is not complete: add the line ${line}` }));
  return [...foreign, ...missing];
}

function keysOf({ settings, tables }: TypeKeys): string[] {
  return [...Object.keys(settings).map(keyOf), ...tables];
}

function ownProblems(one: AuthenticatorConfig | AuthorizerConfig): Disagreement[] {
  if (one.kind === 'http') return httpProblems(one);
  return one.kind === 'jwt' ? jwtProblems(one) : [];
}

function httpProblems({ url, insecure, ca, headers }: HttpConfig): Disagreement[] {
  const problems = headerProblems(headers);
  if (url === '') return problems;
  const isPlain = new URL(url).protocol === 'http:';
  if (isPlain && !insecure && !isLoopbackUrl(url)) {
    const message =
      'passwords would cross the network in the clear: write https://, or add insecure = true where that is wanted';
    problems.push({ key: 'url', message });
  }
  if (!isPlain && insecure) {
    const message =
      'does nothing with https://, whose certificate is always verified: leave it out';
    problems.push({ key: 'insecure', message });
  }
  if (isPlain && ca !== null) {
    problems.push({
      key: 'ca',
      message: 'does nothing with http://: write https://, or leave it out',
    });
  }
  return problems;
}

/** Values may be secrets: no message shows them. */
export function headerProblems(headers: HttpConfig['headers']): Disagreement[] {
  const problems: Disagreement[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      problems.push({ key: `headers.${name}`, message: 'is not the name of a header' });
    } else if (!/^[\t\x20-\x7e\x80-\xff]+$/.test(value)) {
      const message = 'its value has characters that no header may have, as a line break';
      problems.push({ key: `headers.${name}`, message });
    }
  }
  return problems;
}

/** The users of the store need one that lasts. */
function storeProblems({ authenticators, storage }: Config): ConfigProblem[] {
  const index = authenticators.findIndex(({ kind }) => kind === 'users');
  if (index < 0 || storage.type !== 'memory') return [];
  const message =
    'users are kept in the store, and storage.type = "memory" keeps nothing: write storage.type = "lmdb", or use a password-file';
  return [{ path: `authenticators[${index}].type`, message, line: null }];
}

/** Whom a listener lets in: of the whole configuration, whose authenticators are sound. */
export function admissionDisagreements(config: Config, listener: ListenerConfig): Disagreement[] {
  const problems = unknownNames(config, listener);
  if (problems.length > 0) return problems;
  const asked = authenticatorsOf(config, listener);
  if (asked.length === 0) return unaskedProblems(config, listener);
  const { anonymous } = listener;
  const isCertificateOnly = asked.length > 0 && asked.every(({ kind }) => kind === 'certificate');
  if (anonymous === true || !isCertificateOnly || seesNames(listener)) return [];
  const message =
    'nobody could connect: certificates are asked who a client is, and none of them is here: it needs client_certificate and identity in [listeners.tls], or proxy_certificate_name';
  return [{ key: listener.authenticators === null ? '' : 'authenticators', message }];
}

/** Of a listener that asks nobody: only anonymous clients come in there, or anybody if nothing at all is asked. */
function unaskedProblems(config: Config, listener: ListenerConfig): Disagreement[] {
  const { anonymous, authenticators, tls } = listener;
  const isCertified = tls?.clientCertificate === 'required';
  if (anonymous === false && !isCertified) {
    const message =
      'nobody could connect: false needs an authenticator ([[authenticators]]), or client_certificate = "required" in [listeners.tls]';
    return [{ key: 'anonymous', message }];
  }
  if (!isGuarded(config) || (anonymous !== false && !seesNames(listener))) return [];
  const message =
    'who shows a certificate could not connect: nobody is asked here whether its name counts; add [[authenticators]] with type = "certificate"';
  return [{ key: authenticators === null ? '' : 'authenticators', message }];
}

/** Whether clients may come with the name of a certificate. */
function seesNames({ tls, proxyCertificateName }: ListenerConfig): boolean {
  if (proxyCertificateName) return true;
  return tls !== null && tls.clientCertificate !== 'none' && tls.identity !== 'none';
}

function unknownNames(
  { authenticators }: Config,
  { authenticators: named }: ListenerConfig,
): Disagreement[] {
  if (named === null) return [];
  const known = authenticators.map(({ name }) => name);
  return named.flatMap((name, index) => {
    const key = 'authenticators';
    const shown = JSON.stringify(name);
    if (named.indexOf(name) < index) return [{ key, message: `${shown} is named twice` }];
    if (known.includes(name)) return [];
    return [{ key, message: `there is no authenticator ${shown}${suggestion(name, known)}` }];
  });
}

/** What might have been meant by a name that is not there. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  if (near !== null) return `; did you mean ${JSON.stringify(near)}?`;
  return known.length === 0 ? '; there are none' : `; there are ${known.join(', ')}`;
}

// Authenticators and authorizers of somebody else: a module that exports `createAuthenticator(options, { logger, clock })` or
// `createAuthorizer(…)`, which return one or a promise of one. Its shape is looked at before anybody is asked, and whatever it
// does later is guarded: it may throw, hang or answer nonsense, and that refuses. docs/access-modules.md is for its author.

import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { guarded, type Logger, SILENT } from '../core/logger.ts';
import { type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import { AccessError } from './access-error.ts';
import { shown } from './answer.ts';
import type { Authenticator, Authorizer } from './auth.ts';
import { FailureLog, failureText } from './failure-log.ts';
import { GuardedAuthenticator } from './guarded-authenticator.ts';
import { GuardedAuthorizer } from './guarded-authorizer.ts';
import { type Wait, within } from './waiting.ts';

/** How long a module may take until it is there. */
const LOAD_TIMEOUT_MS = 30_000;
const TIMEOUT_MS = 5_000;

export interface ModuleOptions {
  /** Its name in the configuration. */
  readonly name: string;
  /** A path, which begins with a dot or is absolute, or the name of a package. */
  readonly type: string;
  /** The folder that paths and packages are seen from; default: the working directory. */
  readonly base?: string;
  /** What the module gets, as it is in the configuration. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Milliseconds that it may take to answer; default 5,000. */
  readonly timeoutMs?: number;
  /** Default: says nothing. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** What a module gets beside its options. */
export interface ModuleServices {
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What may be there, and must be functions then; the first of them must be there. */
interface Shape {
  readonly create: string;
  readonly kind: string;
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

const AUTHENTICATOR: Shape = {
  create: 'createAuthenticator',
  kind: 'an authenticator',
  required: ['authenticate'],
  optional: ['begin', 'review', 'close'],
};
const AUTHORIZER: Shape = {
  create: 'createAuthorizer',
  kind: 'an authorizer',
  required: ['authorizePublish', 'authorizeSubscribe'],
  optional: [
    'authorizeConnect',
    'authorizeReceive',
    'mayDeny',
    'explain',
    'explainConnect',
    'close',
  ],
};

/** Throws AccessError. */
export async function loadAuthenticatorModule(options: ModuleOptions): Promise<Authenticator> {
  const given = givenBy(options);
  const made = await create(given, AUTHENTICATOR);
  const { name } = given;
  const authenticator = made as unknown as Authenticator;
  return new GuardedAuthenticator({ name, authenticator, ...guardOf(given) });
}

/** Throws AccessError. */
export async function loadAuthorizerModule(options: ModuleOptions): Promise<Authorizer> {
  const given = givenBy(options);
  const made = await create(given, AUTHORIZER);
  const { rememberMs } = made;
  if (rememberMs !== undefined && !(typeof rememberMs === 'number' && rememberMs >= 0)) {
    throw problem(
      given,
      `${AUTHORIZER.create} returned one whose rememberMs is ${shown(rememberMs)}: milliseconds from 0 are expected`,
    );
  }
  const { name } = given;
  const authorizer = made as unknown as Authorizer;
  return new GuardedAuthorizer({ name, authorizer, ...guardOf(given) });
}

/** With the defaults. */
type Given = Required<ModuleOptions>;

function givenBy(options: ModuleOptions): Given {
  const { base = process.cwd(), timeoutMs = TIMEOUT_MS, logger = SILENT } = options;
  const { name, type, options: own = {}, clock = SYSTEM_CLOCK } = options;
  return { name, type, base, options: own, timeoutMs, logger, clock };
}

function guardOf({ logger, clock, timeoutMs }: Given): { wait: Wait; log: FailureLog } {
  return {
    wait: (answer) => within(answer, timeoutMs, clock),
    log: new FailureLog(logger, clock),
  };
}

async function create(options: Given, shape: Shape): Promise<Readonly<Record<string, unknown>>> {
  const { name, logger, clock } = options;
  const { [shape.create]: make } = await load(options);
  if (typeof make !== 'function') {
    throw problem(
      options,
      `does not export a function ${shape.create}(options, { logger, clock })`,
    );
  }
  const services: ModuleServices = { logger: guarded(logger.child({ plugin: name })), clock };
  let made: unknown;
  try {
    const making = (async () => make(structuredClone(options.options), services))();
    made = await within(making, LOAD_TIMEOUT_MS, clock);
  } catch (error) {
    throw problem(options, `its ${shape.create} failed: ${failureText(error)}`);
  }
  if (typeof made !== 'object' || made === null) {
    throw problem(options, `its ${shape.create} returned ${shown(made)}, not ${shape.kind}`);
  }
  const members = made as Readonly<Record<string, unknown>>;
  const missing = shape.required.filter((method) => typeof members[method] !== 'function');
  if (missing.length > 0) {
    throw problem(
      options,
      `its ${shape.create} did not return ${shape.kind}: it has no method ${missing.join(', ')}`,
    );
  }
  for (const method of shape.optional) {
    if (members[method] === undefined || typeof members[method] === 'function') continue;
    const what = shown(members[method]);
    throw problem(
      options,
      `its ${shape.create} returned one whose ${method} is ${what}: a method, or nothing, is expected`,
    );
  }
  return members;
}

type Exports = Readonly<Record<string, unknown>>;

async function load(options: Given): Promise<Exports> {
  try {
    const loading: Promise<Exports> = import(locate(options));
    const loaded = await within(loading, LOAD_TIMEOUT_MS, options.clock);
    // Of a CommonJS module Node does not always see the names.
    return { ...(loaded.default as Exports | undefined), ...loaded };
  } catch (error) {
    // Node says in further lines, and behind that, who asked for it: that is this file.
    const [line] = failureText(error).split('\n');
    throw problem(options, `cannot be loaded: ${line.replace(/ imported from .*$/, '')}`);
  }
}

function locate({ type, base }: Given): string {
  if (type.startsWith('.') || path.isAbsolute(type)) {
    return pathToFileURL(path.resolve(base, type)).href;
  }
  return pathToFileURL(createRequire(path.join(base, 'package.json')).resolve(type)).href;
}

function problem({ name, type }: Given, message: string): AccessError {
  const text = `${name}: the module "${type}" ${message}`;
  return new AccessError([{ file: null, line: null, message: text }]);
}

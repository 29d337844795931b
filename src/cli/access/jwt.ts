// From [[authenticators]] with type = "jwt" to the one that is asked, with the keys that it goes by, and the alarm about those that
// cannot be fetched. It is up while it is true of keys that are in force: who only tries a configuration raises nothing.

import type { ChainMember } from '../../auth/chain.ts';
import type { JwtKeys } from '../../auth/jwt/keys.ts';
import type { KeySetReport } from '../../auth/jwt/load-keys.ts';
import type { JwtConfig } from '../../config/access-config.ts';
import type { Config } from '../../config/config.ts';
import type { Alarms } from '../../core/alarms.ts';
import { exposedSecrets } from './exposed.ts';
import type { Part } from './parts.ts';
import type { AccessServices } from './services.ts';

/** What one that waits for a key of an issuer may take. */
const TIMEOUT_MS = 10_000;

export async function buildJwt(
  name: string,
  jwt: JwtConfig,
  config: Config,
  { alarms, clock, jwtKeys, logger }: AccessServices,
): Promise<Part<ChainMember>> {
  const { loadJwtKeys } = await import('../../auth/jwt/keys.ts');
  const alarm = new KeysAlarm(name, alarms);
  const keys = await loadJwtKeys(
    {
      name,
      clock,
      logger,
      keys: jwt.keys.map(({ id, algorithms, secret, file, url, refreshMs }) => ({
        ...{ id, algorithms, refreshMs },
        ...(secret !== null && { secret: Buffer.from(secret) }),
        ...(file !== null && { file }),
        ...(url !== null && { url }),
      })),
      onReport: (report) => alarm.report(report),
    },
    jwtKeys.get(name) ?? null,
  );
  try {
    return {
      ...(await withKeys(name, jwt, config, keys, clock)),
      onKept() {
        jwtKeys.set(name, keys);
        alarm.isUp();
      },
      onDropped() {
        keys.close();
        if (jwtKeys.get(name) !== keys) return; // others took their place
        jwtKeys.delete(name);
        alarm.isOver();
      },
    };
  } catch (error) {
    keys.close();
    throw error;
  }
}

async function withKeys(
  name: string,
  jwt: JwtConfig,
  { access }: Config,
  keys: JwtKeys,
  clock: AccessServices['clock'],
): Promise<Part<ChainMember>> {
  const { JwtAuthenticator } = await import('../../auth/jwt/authenticator.ts');
  const authenticator = new JwtAuthenticator({ ...jwt, name, keys, clock });
  const secrets = jwt.keys.flatMap(({ secretFile }) => secretFile ?? []);
  const files = [...keys.secretFiles, ...secrets];
  const warnings = await exposedSecrets(files, access.strictPermissions);
  return { made: { name, authenticator, timeoutMs: TIMEOUT_MS }, warnings };
}

/** About all addresses of one authenticator. */
class KeysAlarm {
  readonly #name: string;
  readonly #alarms: Alarms | null;
  readonly #failing = new Map<string, KeySetReport>();
  #isInForce = false;

  constructor(name: string, alarms: Alarms | null) {
    this.#name = name;
    this.#alarms = alarms;
  }

  report(report: KeySetReport): void {
    if (report.problem === null) this.#failing.delete(report.url);
    else this.#failing.set(report.url, report);
    if (this.#isInForce) this.#tell();
  }

  /** From now on, if there is anything to say. */
  isUp(): void {
    this.#isInForce = true;
    this.#tell();
  }

  isOver(): void {
    this.#isInForce = false;
    this.#alarms?.clear(this.#alarm);
  }

  get #alarm(): string {
    return `jwt_keys:${this.#name}`;
  }

  #tell(): void {
    const [report] = this.#failing.values();
    if (report === undefined) {
      this.#alarms?.clear(this.#alarm);
      return;
    }
    const { url, problem, keys } = report;
    const message = `the keys of ${this.#name} cannot be fetched: those that are there stay in use`;
    this.#alarms?.raise(this.#alarm, 'warning', message, { url, problem, keys });
  }
}

// The admin API of a server that is started by the command: what it needs of the configuration, from before the server is there
// until it has ended.

import { readFile } from 'node:fs/promises';
import { AdminListener } from '../../admin/admin-listener.ts';
import type { Guard } from '../../auth/guard/guard.ts';
import { Tokens } from '../../auth/tokens/tokens.ts';
import { type AdminConfig, parseAdminUrl } from '../../config/admin-config.ts';
import { isLoopbackAddress } from '../../config/loopback.ts';
import type { Logger } from '../../core/logger.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import type { HealthControl } from '../../server/contract/health.ts';
import type { CertificateFigures } from '../../server/contract/metrics.ts';
import type { TokenControl } from '../../server/contract/tokens.ts';
import type { ServerControl } from '../../server/contract.ts';
import type { StoreTables } from '../../server/options.ts';
import type { TlsAlarms } from '../../transport/tls/tls-alarms.ts';
import type { AccessServices } from '../access/services.ts';
import { describeAdminBindError } from '../bind-error.ts';
import { Authority } from './authority.ts';
import { AdminCertificateExpiry, certificateError, readCertificate } from './certificate.ts';
import { makeFirstToken } from './first-token.ts';
import { Logins } from './logins.ts';
import { tokenControl } from './token-control.ts';

export interface AdminDoorOptions {
  readonly config: AdminConfig;
  /** null: there is no data folder. */
  readonly folder: string | null;
  readonly guard: Guard;
  readonly health: HealthControl;
  /** Not before access control is prepared. */
  readonly services: () => AccessServices;
  readonly logger: Logger;
  readonly alarms: TlsAlarms;
  readonly version: string;
}

/** The admin API cannot listen; the message is a sentence for people. */
export class AdminUnavailable extends Error {
  override readonly name = 'AdminUnavailable';
}

export class AdminDoor {
  readonly #options: AdminDoorOptions;
  readonly #tokens = new Tokens();
  readonly logins: Logins;
  readonly tokens: TokenControl;
  /** null: it is switched off. */
  #listener: AdminListener | null = null;
  /** null: it has no certificate. */
  #expiry: AdminCertificateExpiry | null = null;

  constructor(options: AdminDoorOptions) {
    this.#options = options;
    const { config, folder, guard, services } = options;
    this.logins = new Logins({ config, guard, services });
    this.tokens = tokenControl(this.#tokens, folder, () => this.review());
  }

  /** Of the certificate that it shows now; none without TLS. */
  get certificates(): readonly CertificateFigures[] {
    return this.#expiry?.figures ?? [];
  }

  /** Health is told from now on. Rejects with AccessError for a certificate, with AdminUnavailable for the address. */
  async open(): Promise<void> {
    const { alarms, config, health, logger, version } = this.#options;
    const address = parseAdminUrl(config.url);
    if (!config.enabled || typeof address === 'string') return;
    const { host, port } = address;
    const isLoopback = host === 'localhost' || isLoopbackAddress(host);
    const certificate = config.tls === null ? null : await readCertificate(config.tls);
    this.#listener = await AdminListener.open({
      ...{ host, port, certificate, isLoopback, health, logger, version },
      allowedHosts: [...config.allowedHosts, host],
      connectionsMax: config.connectionsMax,
      requestRateMax: config.requestRateMax,
      bodyMax: config.bodyMax,
      requestTimeoutMs: config.requestTimeoutMs,
      authority: new Authority(this.#tokens, this.logins, logger),
      now: () => SYSTEM_CLOCK.now(),
    }).catch((error: unknown) => {
      const unavailable = describeAdminBindError(error, config.url);
      if (unavailable !== null) throw new AdminUnavailable(unavailable);
      throw certificateError(error, config.tls) ?? error;
    });
    const { url } = this.#listener;
    logger.info({ url }, `the admin API is on ${url}`);
    if (certificate === null) return;
    this.#expiry = new AdminCertificateExpiry({
      ...{ listener: url, clock: SYSTEM_CLOCK, logger, alarms },
    });
    this.#expiry.use(certificate);
  }

  /** The store is open. */
  async loadTokens({ table }: StoreTables): Promise<void> {
    const { config, folder, logger } = this.#options;
    for (const problem of await this.#tokens.load(table('tokens'))) {
      logger.warn({ problem }, 'a token of the admin API cannot be read, and does not count');
    }
    if (!config.enabled) return;
    if (config.tokenFile !== null) {
      this.#tokens.lend('token_file', (await readFile(config.tokenFile, 'utf8')).trim());
      if (folder === null) return;
    }
    await makeFirstToken(this.#tokens, folder, logger, process.stderr);
  }

  /** The server runs: everything is served. */
  async serve(control: ServerControl): Promise<void> {
    await this.#listener?.serve(control);
  }

  /** A token or a user has changed: what is being told to those who lost what they had ends. */
  review(): void {
    this.#listener?.review();
  }

  /** The files of the certificate are read again; what is wrong is told in the log, and then the former one stays. */
  async reload(): Promise<void> {
    const { config, logger } = this.#options;
    if (this.#listener === null || config.tls === null) return;
    try {
      const certificate = await readCertificate(config.tls);
      this.#listener.setCertificate(certificate);
      this.#expiry?.use(certificate);
    } catch (error) {
      const problem = (certificateError(error, config.tls) ?? (error as Error)).message;
      logger.error({ problem }, 'the admin API goes on with its former certificate');
    }
  }

  /** The server stops: only health is told from now on. */
  async retire(): Promise<void> {
    await this.#listener?.retire();
  }

  async close(): Promise<void> {
    this.#expiry?.close();
    await this.#listener?.close();
    this.#listener = null;
  }
}

// What keeps guessers, banned and quarrelling clients from costing anything: the server asks it before an authenticator is asked,
// and tells it what came of that. It is the `ConnectGuard` that the session layer declares.
//
// A penalty is 0x97 (v3: 3, server unavailable): a limit is exceeded and asking again later helps. A ban is 0x8A (v3: 5): somebody
// wants it so. Neither says whether a user name exists.

import type { Logger } from '../../core/logger.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { RefusalLog } from '../../core/refusal-log.ts';
import { formatPeer, limitKey } from '../../lib/address.ts';
import { clip, clipName } from '../../lib/clip.ts';
import { type Cancellable, type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Peer } from '../../transport/stream.ts';
import type { ConnectRequest, Refused } from '../auth.ts';
import type { Ban } from './ban.ts';
import { Bans, type BanTable } from './bans.ts';
import { Fights, type Takeover } from './fights.ts';
import { Flapping } from './flapping.ts';
import { type Attempt, Penalties, type Penalty } from './penalties.ts';
import { DEFAULT_GUARD_SETTINGS, type GuardSettings } from './settings.ts';

const SWEEP_MS = 10_000;

const PENALTY_DETAILS: Readonly<Record<Penalty, string>> = {
  address: 'too many logins from its address have failed',
  user: 'too many logins of this user name from its address have failed',
  client: 'too many logins of this client id from its address have failed',
};

export interface GuardOptions {
  readonly settings?: Partial<GuardSettings>;
  readonly clock?: Clock;
}

/** What the server lends it; declared by the session layer. */
interface Host {
  readonly logger: Logger;
  readonly refusalLog: RefusalLog;
  readonly metrics: Metrics;
  table(name: string): BanTable | null;
}

export class Guard {
  readonly bans: Bans;
  readonly #clock: Clock;
  #settings: GuardSettings;
  readonly #penalties: Penalties;
  readonly #flapping: Flapping;
  readonly #fights: Fights;
  #host: Host | null = null;
  #sweeping: Cancellable | null = null;

  constructor({ settings = {}, clock = SYSTEM_CLOCK }: GuardOptions = {}) {
    this.#clock = clock;
    this.#settings = { ...DEFAULT_GUARD_SETTINGS, ...settings };
    this.bans = new Bans(clock);
    this.#penalties = new Penalties(this.#settings);
    this.#flapping = new Flapping(this.#settings);
    this.#fights = new Fights(this.#settings);
  }

  /** Entries of its tables, bans left out. */
  get size(): number {
    return this.#penalties.size + this.#flapping.size + this.#fights.size;
  }

  async open(host: Host): Promise<void> {
    this.#host = host;
    await this.bans.load(host.table('bans'));
    this.#sweeping = this.#clock.every(SWEEP_MS, () => this.#sweep());
  }

  close(): void {
    this.#sweeping?.cancel();
    this.#sweeping = null;
  }

  /** For a reload: what was counted stays counted, and penalties go on. */
  setSettings(settings: Partial<GuardSettings>): void {
    this.#settings = { ...DEFAULT_GUARD_SETTINGS, ...settings };
    this.#penalties.settings = this.#settings;
    this.#flapping.settings = this.#settings;
    this.#fights.settings = this.#settings;
  }

  /** Ends all penalties of an address, its user names and client ids; false if there was nothing to end. */
  pardon(address: string): boolean {
    return this.#penalties.pardon(limitKey(address));
  }

  /** Ends what flapping brought a client id; false if it brought nothing. */
  liftFlapping(clientId: string): boolean {
    return this.#flapping.lift(clientId);
  }

  // What the server asks and tells

  isBanned(address: string): boolean {
    return this.bans.isAddressBanned(address);
  }

  banOn(clientId: string, username: string | null): string | null {
    const byName = username === null ? null : this.bans.findUsername(username);
    const ban = this.bans.findClientId(clientId) ?? byName;
    return ban === null ? null : bannedBy(ban);
  }

  objection(request: ConnectRequest, about?: string): Refused | null {
    const ban = this.#banOf(request, about);
    if (ban !== null) return this.#refuseBanned(ban);
    const hindrance = this.#hindranceOf(request, about);
    if (hindrance === null) return null;
    return hindrance === 'flapping' ? this.#refuseFlapping() : this.#refusePenalty(hindrance);
  }

  isUnwelcome(request: ConnectRequest): boolean {
    return this.#banOf(request) !== null || this.#hindranceOf(request) !== null;
  }

  onRefused(request: ConnectRequest, reasonCode: ReasonCode, about?: string): void {
    if (!isFailedLogin(request, reasonCode)) return;
    if (this.#settings.trusted.has(request.remoteAddress)) return;
    const attempt = attemptOf(request, about);
    const penalty = this.#penalties.onFailure(attempt, this.#clock.now());
    if (penalty === null) return;
    this.#count('penalties');
    const { penaltyMs, windowMs } = this.#settings;
    const fields = {
      address: request.remoteAddress,
      ...(penalty === 'address' ? {} : { username: clipName(attempt.username) || null }),
      ...(penalty === 'client' ? { clientId: clip(request.clientId) } : {}),
      windowMs,
      penaltyMs,
    };
    const key = `${attempt.address} ${clipName(attempt.username)}`;
    const sentence = `a penalty begins: ${PENALTY_DETAILS[penalty]}`;
    if (penalty === 'address') this.#host?.refusalLog.warn(key, fields, sentence);
    else this.#host?.refusalLog.info(key, fields, sentence, attempt.address);
  }

  onAccepted(request: ConnectRequest, username: string | null): Refused | null {
    // Who it is may be known only now: from a token, or after SCRAM. And a ban may have been made while it waited.
    const ban = this.#banOf(request, username);
    if (ban !== null) return this.#refuseBanned(ban);
    const { authenticationMethod, clientId, remoteAddress } = request;
    if (this.#settings.trusted.has(remoteAddress)) return null;
    const nowMs = this.#clock.now();
    const attempt = attemptOf(request);
    if (username !== null) {
      const proven = attemptOf(request, username);
      // A method says whom it is about after CONNECT, to which there was nothing to object.
      const penalty = authenticationMethod === null ? null : this.#penalties.find(proven, nowMs);
      if (penalty !== null) return this.#refusePenalty(penalty);
      // Whoever comes without a name has proven nothing by that.
      this.#penalties.onSuccess(attempt, nowMs);
      if (username !== attempt.username) this.#penalties.onSuccess(proven, nowMs);
    }
    if (!this.#flapping.onConnect(attempt.address, clientId, nowMs)) return null;
    this.#count('flappingBans');
    const { flappingBanMs, flappingWindowMs } = this.#settings;
    const fields = {
      clientId: clip(clientId),
      address: remoteAddress,
      windowMs: flappingWindowMs,
      banMs: flappingBanMs,
    };
    const key = `${attempt.address} ${clip(clientId)}`;
    this.#host?.refusalLog.info(key, fields, FLAPPING, attempt.address);
    return this.#refuseFlapping();
  }

  onTakeover(request: ConnectRequest, incumbent: Peer): Refused | null {
    const { clientId, remoteAddress: address, remotePort: port } = request;
    const newcomer = { address, port };
    const takeover = this.#fights.onTakeover(clientId, newcomer, incumbent, this.#clock.now());
    if (takeover.isFirst) this.#count('clientIdFights');
    const addresses = [
      formatPeer(incumbent.address, incumbent.port),
      formatPeer(newcomer.address, newcomer.port),
    ];
    this.#tellFight(takeover, clip(clientId), addresses);
    if (takeover.outcome !== 'refused') return null;
    return {
      reasonCode: ReasonCode.QuotaExceeded,
      reasonString: 'another host has this client identifier: try again later',
      detail: `hosts fight over this client id: ${addresses[0]} has it and keeps it for a while`,
    };
  }

  #tellFight({ outcome, isFirst }: Takeover, clientId: string, addresses: readonly string[]): void {
    if (outcome === 'quiet' || (outcome === 'refused' && !isFirst)) return;
    const fields = { clientId, addresses, windowMs: this.#settings.fightWindowMs };
    this.#host?.refusalLog.warn(clientId, fields, outcome === 'host' ? ONE_HOST : HOSTS);
  }

  #banOf(
    { clientId, remoteAddress, username }: ConnectRequest,
    proven?: string | null,
  ): Ban | null {
    const { bans } = this;
    return (
      bans.findAddress(remoteAddress) ??
      bans.findClientId(clientId) ??
      (username === null ? null : bans.findUsername(username)) ??
      (proven === undefined || proven === null ? null : bans.findUsername(proven))
    );
  }

  /** Trusted addresses have none. */
  #hindranceOf(request: ConnectRequest, about?: string): Penalty | 'flapping' | null {
    if (this.#settings.trusted.has(request.remoteAddress)) return null;
    const nowMs = this.#clock.now();
    const attempt = attemptOf(request, about);
    if (this.#flapping.isBanned(attempt.address, request.clientId, nowMs)) return 'flapping';
    return this.#penalties.find(attempt, nowMs);
  }

  #refusePenalty(penalty: Penalty): Refused {
    this.#count('penaltyRefusals');
    return {
      reasonCode: ReasonCode.QuotaExceeded,
      reasonString: 'too many logins have failed: try again later',
      detail: PENALTY_DETAILS[penalty],
    };
  }

  #refuseBanned(ban: Ban): Refused {
    this.#count('banRefusals');
    return { reasonCode: ReasonCode.Banned, reasonString: 'banned', detail: bannedBy(ban) };
  }

  #refuseFlapping(): Refused {
    this.#count('banRefusals');
    return {
      reasonCode: ReasonCode.Banned,
      reasonString: 'banned for a while: it connects too often',
      detail:
        'banned for a while: it connects more often than flapping_connects_max of [penalties]',
    };
  }

  #count(
    name: 'penalties' | 'penaltyRefusals' | 'banRefusals' | 'flappingBans' | 'clientIdFights',
  ): void {
    if (this.#host !== null) this.#host.metrics[name]++;
  }

  #sweep(): void {
    const nowMs = this.#clock.now();
    this.#penalties.sweep(nowMs);
    this.#flapping.sweep(nowMs);
    this.#fights.sweep(nowMs);
    this.bans.sweep().catch((error: unknown) => {
      const sentence =
        'bans that have ended could not be taken out of the store; tried again later';
      this.#host?.refusalLog.warn('', { error: String(error) }, sentence);
    });
  }
}

const FLAPPING =
  'a client is banned for a while: it connects more often than flapping_connects_max of [penalties]';
const HOSTS =
  'hosts fight over one client id: each takes the session over from the other; give each its own';
const ONE_HOST =
  'a client id is taken over again and again from one address: two programs may share it, or one does not end its old connection';

/** A failed login is one where something was shown and did not count: not our own failures, and not somebody without a name. */
function isFailedLogin(request: ConnectRequest, reasonCode: ReasonCode): boolean {
  const isRefusal =
    reasonCode === ReasonCode.BadUserNameOrPassword || reasonCode === ReasonCode.NotAuthorized;
  if (!isRefusal) return false;
  const { authenticationMethod, certificate, password, username } = request;
  return (
    username !== null || password !== null || authenticationMethod !== null || certificate !== null
  );
}

/** `about` counts before the name in CONNECT, which may be any. */
function bannedBy({ kind, pattern, reason }: Ban): string {
  return `banned by ${kind} ${pattern}${reason === '' ? '' : `: ${reason}`}`;
}

function attemptOf(
  { clientId, remoteAddress, username }: ConnectRequest,
  about = username ?? '',
): Attempt {
  return { address: limitKey(remoteAddress), username: about, clientId };
}

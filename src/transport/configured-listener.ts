// A listener as it is configured: where it binds, and the stages that its protocol needs. Preparing one reads and checks
// everything (certificates above all) and binds nothing, so that a reload can be refused as a whole.

import type { Logger } from '../core/logger.ts';
import { AddressRanges } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import type { TimerWheel } from '../lib/timer-wheel.ts';
import { BunListener } from './bun.ts';
import { StagedEntrance } from './entrance.ts';
import { realAddress } from './forwarded.ts';
import { DEFAULT_PORTS, type ListenerOptions, listenerUrl } from './listener-options.ts';
import { NetListener, type PlaceListener } from './net-listener.ts';
import { ProxyStage } from './proxy-stage.ts';
import { IS_BUN, RuntimeLimitError } from './runtime.ts';
import type { BoundAddress, Gate, Listener, Stream } from './stream.ts';
import { TlsDoor, type Trust } from './tls/door.ts';
import type { TlsAlarms } from './tls/tls-alarms.ts';
import { WebSocketDoor } from './websocket/door.ts';
import { DEFAULT_WEBSOCKET_OPTIONS, type WebSocketOptions } from './websocket/options.ts';

const PROXY_TIMEOUT_MS = 5_000;

/** What all listeners share. */
export interface ListenerHost {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly logger: Logger;
  readonly alarms: TlsAlarms;
  /** Of a listener: its maximum packet size, and how much a stranger may send. */
  readonly packetSizeMax: number;
  readonly unacceptedBytesMax: number;
  /** A connection that was admitted is refused, by name. */
  readonly onRefused: (reason: string) => void;
  readonly onExhausted: (isExhausted: boolean) => void;
  /** Certificates of clients may count no more. */
  readonly onTrustChanged: () => void;
}

/** The part that can be changed while the address stays bound. */
interface Inside {
  readonly entrance: StagedEntrance | null;
  readonly tls: TlsDoor | null;
}

export class ConfiguredListener implements Listener {
  readonly #net: PlaceListener;
  readonly #trust: Trust;
  #inside: Inside;
  /** Of before a change: those who were on their way in then may still be. */
  #formers: Inside[] = [];

  private constructor(net: PlaceListener, trust: Trust, inside: Inside) {
    this.#net = net;
    this.#trust = trust;
    this.#inside = inside;
    net.entrance = inside.entrance;
    inside.tls?.begin();
  }

  /** Reads and checks; rejects with what is wrong, and leaves nothing open. */
  static async prepare(options: ListenerOptions, host: ListenerHost): Promise<ConfiguredListener> {
    const trust: Trust = { material: null };
    const inside = await prepareInside(options, trust, host);
    const { protocol = 'mqtt', path = '', socket } = options;
    const netOptions = {
      onExhausted: host.onExhausted,
      onReset: () => {
        const listener = listenerUrl(options);
        host.logger.debug({ listener }, 'connection reset before its first byte');
      },
    };
    if (protocol === 'mqtt+unix') {
      const net = new NetListener({ path, ...socket }, netOptions);
      return new ConfiguredListener(net, trust, inside);
    }
    const place = { host: options.host ?? '', port: options.port ?? DEFAULT_PORTS[protocol] };
    const net =
      IS_BUN && inside.entrance === null
        ? new BunListener(place, netOptions.onReset)
        : new NetListener(place, netOptions);
    return new ConfiguredListener(net, trust, inside);
  }

  listen(accept: (stream: Stream) => void, gate?: Gate): Promise<BoundAddress> {
    return this.#net.listen(accept, gate);
  }

  async close(): Promise<void> {
    await this.#net.close();
    for (const inside of [this.#inside, ...this.#formers]) closeInside(inside);
    this.#formers = [];
  }

  /** When the first of its certificates ends; milliseconds of the wall clock, null without TLS. */
  get certificateEndsMs(): number | null {
    return this.#inside.tls?.certificateEndsMs ?? null;
  }

  /** Days until the first of its certificates ends, negative afterwards; null without TLS. */
  get certificateLeftDays(): number | null {
    return this.#inside.tls?.certificateLeftDays ?? null;
  }

  /** Days until the first of its revocation lists is too old; null if there is none that says when. */
  get crlLeftDays(): number | null {
    return this.#inside.tls?.crlLeftDays ?? null;
  }

  /** Gives the address away for a while; who is on the way in goes on. */
  pause(): Promise<void> {
    return this.#net.pause();
  }

  /** Takes the same address again; false: it could not be had, and is tried for until it is. */
  unpause(): Promise<boolean> {
    return this.#net.unpause();
  }

  /** Reads what may have changed for the same address; the result takes it into use. */
  async prepareChange(options: ListenerOptions, host: ListenerHost): Promise<PreparedChange> {
    const inside = await prepareInside(options, this.#trust, host);
    if (inside.entrance !== null && !this.#net.hasEntrances) {
      inside.entrance.close();
      throw new RuntimeLimitError(
        `${listenerUrl(options)} was plain TCP, and on Bun that cannot change while the server runs: restart it`,
      );
    }
    return {
      apply: () => {
        const former = this.#inside;
        this.#formers = [...this.#formers, former].filter(isInUse);
        this.#inside = inside;
        this.#net.entrance = inside.entrance;
        former.tls?.retire();
        inside.tls?.begin();
        host.onTrustChanged();
      },
      discard: () => closeInside(inside),
    };
  }

  /** Reads the certificates again; false: there are none, or they stay as they were for the reasons that the log names. */
  async reloadCertificates(): Promise<boolean> {
    return (await this.#inside.tls?.reload()) ?? false;
  }
}

export interface PreparedChange {
  apply(): void;
  discard(): void;
}

function isInUse({ entrance }: Inside): boolean {
  return entrance !== null && entrance.pending > 0;
}

function closeInside({ entrance, tls }: Inside): void {
  entrance?.close();
  tls?.close();
}

async function prepareInside(
  options: ListenerOptions,
  trust: Trust,
  host: ListenerHost,
): Promise<Inside> {
  const { protocol = 'mqtt', proxy, forwarded } = options;
  const isWebSocket = protocol === 'ws' || protocol === 'wss';
  const isEncrypted = protocol === 'mqtts' || protocol === 'wss';
  const trustedText = proxy?.trusted ?? (isWebSocket ? forwarded?.trusted : undefined);
  const trusted = trustedText === undefined ? null : new AddressRanges(trustedText);
  const tls = isEncrypted ? await openTls(options, trust, host) : null;
  if (trusted === null && tls === null && !isWebSocket) return { entrance: null, tls: null };
  const entrance = new StagedEntrance({
    transport: protocol === 'mqtt+unix' ? 'unix' : 'tcp',
    trusted,
    proxy:
      proxy === undefined || trusted === null
        ? null
        : new ProxyStage(
            {
              trusted,
              timeoutMs: proxy.timeoutMs ?? PROXY_TIMEOUT_MS,
              usesCertificateName: proxy.usesCertificateName ?? false,
            },
            host,
          ),
    usesCertificateName: proxy?.usesCertificateName ?? false,
    tls,
    webSocket: isWebSocket ? openWebSocket(options, trusted, host) : null,
  });
  return { entrance, tls };
}

async function openTls(
  options: ListenerOptions,
  trust: Trust,
  host: ListenerHost,
): Promise<TlsDoor> {
  const { tls, protocol } = options;
  if (IS_BUN) {
    throw new RuntimeLimitError(
      `${listenerUrl(options)} needs TLS, which is not supported on Bun: run the server on Node.js`,
    );
  }
  if (tls === undefined) {
    throw new Error(`${listenerUrl(options)} needs a certificate: say tls.cert and tls.key`);
  }
  const alpn = tls.alpn ?? (protocol === 'wss' ? ['http/1.1'] : ['mqtt']);
  return await TlsDoor.open({ ...tls, alpn }, trust, { ...host, listener: listenerUrl(options) });
}

function openWebSocket(
  options: ListenerOptions,
  trusted: AddressRanges | null,
  host: ListenerHost,
): WebSocketDoor {
  const { path, webSocket, forwarded, proxy } = options;
  if (IS_BUN && webSocket?.compression === true) {
    throw new RuntimeLimitError(
      `${listenerUrl(options)} compresses, which is not supported on Bun: leave it off, or run the server on Node.js`,
    );
  }
  // A PROXY header has told the address already; both would be one too many.
  const header = proxy === undefined ? forwarded?.header : undefined;
  const settings: WebSocketOptions = {
    ...DEFAULT_WEBSOCKET_OPTIONS,
    ...webSocket,
    path: path === undefined || path === '' ? null : path,
    payloadMax: host.packetSizeMax,
    unacceptedBytesMax: host.unacceptedBytesMax,
    addressOf:
      header === undefined || trusted === null
        ? null
        : (request, peer) =>
            realAddress(header, headerText(request.headers[header]), peer, trusted),
  };
  return new WebSocketDoor(settings, host.wheel, host.logger, host.onRefused);
}

function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}

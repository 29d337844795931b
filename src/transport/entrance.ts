// From an admitted socket to a stream, for listeners that have more to do than to read: a PROXY header, a TLS handshake, a
// WebSocket upgrade, whichever are configured, in this order. The address that the first or the last of them tells is the
// client's from then on: for limits, logs, and everything else.

import type net from 'node:net';
import type { AddressRanges } from '../lib/address.ts';
import type { Entrance } from './net-listener.ts';
import type { ProxyHeader } from './proxy-header.ts';
import type { ProxyStage } from './proxy-stage.ts';
import { SocketStream } from './socket-stream.ts';
import type { ClientCertificate, Gate, Peer, Stream } from './stream.ts';
import type { TlsDoor } from './tls/door.ts';
import { TlsStream } from './tls/tls-stream.ts';
import type { WebSocketDoor } from './websocket/door.ts';

export interface Stages {
  readonly transport: 'tcp' | 'unix';
  /** null: no PROXY header is expected. */
  readonly proxy: ProxyStage | null;
  /** Sources whose connections carry the addresses of others: by a PROXY header, or in the upgrade request. */
  readonly trusted: AddressRanges | null;
  /** Whether a verified name in the PROXY header is the user name. */
  readonly usesCertificateName: boolean;
  readonly tls: TlsDoor | null;
  readonly webSocket: WebSocketDoor | null;
}

/** A connection on its way through the stages. */
class Visit {
  readonly gate: Gate;
  readonly accept: (stream: Stream) => void;
  /** As it was admitted. */
  address: string;
  peer: Peer;
  certificate: ClientCertificate | null = null;
  readonly #onOver: () => void;
  #isHandedOn = false;

  /** `onOver` is called when it is handed on, or gone. */
  constructor(
    socket: net.Socket,
    peer: Peer,
    address: string,
    accept: (stream: Stream) => void,
    gate: Gate,
    onOver: () => void,
  ) {
    this.peer = peer;
    this.address = address;
    this.accept = accept;
    this.gate = gate;
    this.#onOver = onOver;
    socket.once('close', () => {
      if (this.#isHandedOn) return;
      onOver();
      gate.release(this.address);
    });
  }

  /** Where the client is, is known now; false: it may not come from there. */
  place(peer: Peer): boolean {
    this.peer = peer;
    if (this.address !== '' || peer.address === '') return true;
    if (!this.gate.place(peer.address)) return false;
    this.address = peer.address;
    return true;
  }

  handOn(stream: Stream): void {
    this.#isHandedOn = true;
    this.#onOver();
    this.accept(stream);
  }
}

export class StagedEntrance implements Entrance {
  readonly #stages: Stages;
  #pending = 0;

  constructor(stages: Stages) {
    this.#stages = stages;
  }

  /** Connections that are on their way through the stages. */
  get pending(): number {
    return this.#pending;
  }

  admissionAddress(address: string): string {
    return this.#stages.trusted?.has(address) === true ? '' : address;
  }

  enter(socket: net.Socket, peer: Peer, accept: (stream: Stream) => void, gate: Gate): void {
    const address = this.admissionAddress(peer.address);
    this.#pending++;
    const visit = new Visit(socket, peer, address, accept, gate, () => this.#pending--);
    const { proxy } = this.#stages;
    if (proxy === null) this.#encrypt(socket, visit);
    else proxy.take(socket, peer, (header) => this.#onHeader(socket, header, visit));
  }

  close(): void {
    this.#stages.proxy?.close();
    this.#stages.tls?.close();
    this.#stages.webSocket?.close();
  }

  #onHeader(socket: net.Socket, header: ProxyHeader, visit: Visit): void {
    const { usesCertificateName } = this.#stages;
    const commonName = header.tls?.isCertificateVerified === true ? header.tls.commonName : null;
    if (usesCertificateName && commonName !== null) {
      visit.certificate = {
        subject: `CN=${commonName}`,
        username: commonName,
        clientId: null,
        objection: () => null, // the balancer's business
      };
    }
    if (visit.place(header.source ?? visit.peer)) this.#encrypt(socket, visit);
    else socket.destroy();
  }

  #encrypt(socket: net.Socket, visit: Visit): void {
    const { tls, transport, webSocket } = this.#stages;
    if (tls !== null) {
      tls.take(socket, visit.peer, (encrypted, certificate) => {
        if (certificate !== null) visit.certificate = certificate;
        if (webSocket !== null) this.#upgrade(webSocket, encrypted, visit, true);
        else visit.handOn(new TlsStream(encrypted, visit.peer, visit.certificate));
      });
    } else if (webSocket !== null) {
      this.#upgrade(webSocket, socket, visit, false);
    } else {
      visit.handOn(new SocketStream(socket, transport, visit.peer, visit.certificate));
    }
  }

  #upgrade(door: WebSocketDoor, socket: net.Socket, visit: Visit, isEncrypted: boolean): void {
    door.take(socket, visit.peer, isEncrypted, visit.certificate, (stream) => {
      const { remoteAddress: address, remotePort: port } = stream;
      if (visit.place({ address, port })) visit.handOn(stream);
      else stream.destroy();
    });
  }
}

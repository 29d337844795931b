// Who is connected, who was not let in, and what became of their logins.

import { byLabel, counter, counters, type Family, gauge, gauges } from './family.ts';

export const CONNECTION_FAMILIES: readonly Family[] = [
  gauges(
    'iothub_connections',
    ['listener', 'state'],
    'Network connections by listener; state is connected once CONNECT was accepted, half_connected before. Many half_connected ones for long are clients that do not get through, or an attack.',
    ({ server }) =>
      server.listeners.flatMap(({ listener, connected, halfConnected }) => [
        { labels: { listener, state: 'connected' }, value: connected },
        { labels: { listener, state: 'half_connected' }, value: halfConnected },
      ]),
  ),
  counter(
    'iothub_connections_opened_total',
    'Connections that were let in. A rate far above what the fleet needs means that clients come again and again: look for takeovers, failed logins and keep-alives.',
    ({ server }) => server.counters.connectionsOpened,
  ),
  counter(
    'iothub_connections_closed_total',
    'Connections that are over, for whatever reason.',
    ({ server }) => server.counters.connectionsClosed,
  ),
  counters(
    'iothub_connections_refused_total',
    ['reason'],
    'Connections that were not let in, or that did not come as far as MQTT, by reason. The log says which limit or which check it was.',
    ({ server }) => byLabel('reason', server.refusals),
  ),
  counter(
    'iothub_protocol_errors_total',
    'Connections that were ended because their client broke the protocol. The log has the clause.',
    ({ server }) => server.counters.protocolErrors,
  ),
  counter(
    'iothub_assertion_failures_total',
    'Mistakes of the server itself. It should be 0: please report the line of the log.',
    ({ server }) => server.counters.assertionFailures,
  ),
  counter(
    'iothub_authentication_successes_total',
    'Logins that an authenticator accepted.',
    ({ server }) => server.counters.authenticationSuccesses,
  ),
  counter(
    'iothub_authentication_failures_total',
    'Logins that were refused. A jump is a change of passwords, or somebody who tries them.',
    ({ server }) => server.counters.authenticationFailures,
  ),
  counter(
    'iothub_penalties_total',
    'Penalties that failed logins brought.',
    ({ server }) => server.counters.penalties,
  ),
  counter(
    'iothub_penalty_refusals_total',
    'Logins that were turned away for a penalty, without a look at the password.',
    ({ server }) => server.counters.penaltyRefusals,
  ),
  gauge('iothub_bans', 'Bans in force; iothub ban list shows them.', ({ server }) => server.bans),
  counter(
    'iothub_ban_refusals_total',
    'Connections and logins that were turned away for a ban.',
    ({ server }) => server.counters.banRefusals,
  ),
  counter(
    'iothub_flapping_bans_total',
    'Bans that connecting too often brought.',
    ({ server }) => server.counters.flappingBans,
  ),
  counter(
    'iothub_client_id_fights_total',
    'How often two clients began to fight over one client id, which the log names: give each its own.',
    ({ server }) => server.counters.clientIdFights,
  ),
  gauges(
    'iothub_certificate_expiry_timestamp_seconds',
    ['listener'],
    'When the first certificate in the chains of a listener with TLS ends, that of the admin API included, in seconds since 1970. Renew it in time: minus time() it is how long there is left.',
    ({ server }) =>
      server.certificates.map(({ listener, endsSeconds: value }) => ({
        labels: { listener },
        value,
      })),
  ),
];

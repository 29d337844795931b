// The configuration that `iothub init` writes: small, and with a comment for each of its parts.

import type { InitLine } from './init-line.ts';

const HEAD = `# The configuration of IoTHub, as "iothub init" wrote it. What is left out has its default.
# Every key: docs/config.md. Check what you change: iothub -c iothub.toml -t

# MQTT for programs on this machine. Nobody is anonymous where somebody is asked who comes.
[[listeners]]
url = "mqtt://127.0.0.1:1883"
`;

const ACCESS = `
# Who may come in. Another one: iothub passwd passwords NAME
[[authenticators]]
type = "password-file"
file = "passwords"
`;

const CERTIFICATE = `
# Who shows a certificate needs no password; the name in it is the user.
[[authenticators]]
type = "certificate"
`;

/** Files that it names are seen from its folder. */
export function starterConfig({ username, hasTls, hosts }: InitLine): string {
  const tls = hasTls ? [tlsListener(hosts.length > 0), ACCESS, CERTIFICATE] : [ACCESS];
  return [HEAD, ...tls, rules(username)].join('');
}

function tlsListener(isForOthers: boolean): string {
  const [whom, host] = isForOthers ? ['everybody', ''] : ['programs on this machine', '127.0.0.1'];
  const more = isForOthers ? '' : '\n# For others, too: url = "mqtts://:8883"';
  return `
# MQTT over TLS for ${whom}, by a password or a certificate of the authority tls/ca.crt.${more}
[[listeners]]
url = "mqtts://${host}:8883"
[listeners.tls]
cert = "tls/server.crt"
key = "tls/server.key"
ca = "tls/ca.crt"
client_certificate = "optional"
identity = "cn"
`;
}

function rules(username: string): string {
  return `
# Who may do what: what no rule allows is refused.
[[authorizers]]
type = "rules"

# Everything but topics that begin with $, as $SYS/#.
[[rules]]
effect = "allow"
actions = ["publish", "subscribe"]
topics = ["#"]
users = ["${username}"]

# The admin API, health checks and metrics, for programs on this machine. The first start writes
# a token into admin.token of the data folder; another one: iothub token add NAME --role viewer
[admin]
url = "http://127.0.0.1:18083"
`;
}

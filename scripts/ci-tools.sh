#!/usr/bin/env bash
# Installs what the tests need (Debian, Ubuntu), unless it is there: the real MQTT clients of the integration tests, and strace
# for the crash tests. It fails with a sentence when it cannot: a test that is left out in silence is worse than one that fails.
set -euo pipefail

missing=()
command -v mosquitto_sub >/dev/null && command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
# `python3` may be another installation than the system's, for which the package is installed
{ [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null; } || missing+=(python3-paho-mqtt)
command -v strace >/dev/null || missing+=(strace)
if [ "${#missing[@]}" -eq 0 ]; then
  echo "mosquitto-clients, python3-paho-mqtt and strace are there."
  exit 0
fi

fail() {
  echo "The tests need ${missing[*]}, and $1." >&2
  exit 1
}

command -v apt-get >/dev/null || fail "there is no apt-get to install them with"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "installing them needs root or sudo"
  as_root=(sudo -n)
fi
echo "Installing ${missing[*]} (apt-get)."
export DEBIAN_FRONTEND=noninteractive
install=("${as_root[@]}" apt-get install --yes --no-install-recommends --quiet=2)
"${install[@]}" "${missing[@]}" </dev/null || {
  "${as_root[@]}" apt-get update --quiet=2 </dev/null || fail "apt-get update failed"
  "${install[@]}" "${missing[@]}" </dev/null || fail "apt-get could not install them"
}
command -v mosquitto_sub >/dev/null || fail "mosquitto_sub is still missing"
/usr/bin/python3 -c 'import paho.mqtt.client' || fail "Paho for Python is still missing"
command -v strace >/dev/null || fail "strace is still missing"

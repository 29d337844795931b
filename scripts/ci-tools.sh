#!/usr/bin/env bash
# Installs what the tests need (Debian; Ubuntu has no package of Chromium), unless it is there: the real MQTT clients of the
# integration tests, Mosquitto and argon2, whose password and ACL files are ours, too, a browser, the proxies that stand in front of the
# server, Prometheus, which reads its metrics, systemd's programs, which judge the unit, and strace for the crash tests. It fails with a sentence
# when it cannot: a test that is left out in silence is worse than one that fails. Debian may start Mosquitto, nginx, HAProxy and Prometheus as
# services when it installs them; the tests need no service, and start their own.
set -euo pipefail

# Where the tests look for them, without PATH: `python3` may be another installation than the one its package is installed for,
# and /usr/sbin is not everybody's.
is_there() {
  case $1 in
    mosquitto-clients) command -v mosquitto_sub >/dev/null && command -v mosquitto_pub >/dev/null ;;
    mosquitto) [ -x /usr/sbin/mosquitto ] && command -v mosquitto_passwd >/dev/null ;;
    python3-paho-mqtt) [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null ;;
    chromium) [ -x /usr/bin/chromium ] ;;
    nginx) [ -x /usr/sbin/nginx ] ;;
    haproxy) [ -x /usr/sbin/haproxy ] ;;
    prometheus) command -v prometheus >/dev/null && command -v promtool >/dev/null ;;
    systemd) command -v systemd-analyze >/dev/null && command -v systemd-notify >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

needed=(mosquitto-clients mosquitto argon2 python3-paho-mqtt chromium nginx haproxy prometheus strace systemd)
missing=()
for package in "${needed[@]}"; do
  is_there "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  echo "There are ${needed[*]}."
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
for package in "${missing[@]}"; do
  is_there "$package" || fail "$package is still missing"
done

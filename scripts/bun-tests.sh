#!/usr/bin/env bash
# Runs the tests with Bun instead of Node: the unit tests but for those named below (docs/runtimes.md says why), the real
# clients against the built server, and kill -9 on a store.
# Usage: scripts/bun-tests.sh [path of bun]. Without a path it installs the version below into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."

# The one that docs/runtimes.md speaks of.
BUN_VERSION=1.4.5

bun=${1:-}
if [ -z "$bun" ]; then
  folder=$(mktemp -d)
  chmod 755 "$folder" # some tests run it as another user
  trap 'rm -rf "$folder"' EXIT
  echo "Installing Bun $BUN_VERSION (npm)."
  npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error "bun@$BUN_VERSION" >&2
  bun="$folder/node_modules/.bin/bun"
  # npm may have been told to run no install scripts: this one puts the program for this machine in its place.
  "$bun" --version >/dev/null 2>&1 || node "$folder/node_modules/bun/install.js"
fi
version=$("$bun" --version) || { echo "$bun does not run: expected the path of bun $BUN_VERSION." >&2; exit 1; }
[ "$version" = "$BUN_VERSION" ] || echo "This is Bun $version; $BUN_VERSION is the one that is supported." >&2

node scripts/prepare.mjs
# Without --bun it would be Node that runs: vitest says so in its first line.
vitest=("$bun" --bun node_modules/vitest/vitest.mjs run)
"${vitest[@]}" --config vitest.bun.config.ts
"${vitest[@]}" --config vitest.integration.config.ts \
  --testNamePattern '^(?!.*(tls|TLS|wss|certificate|another CA|over each of them))'
"$bun" tests/crash/crash.mjs 8 always
echo "Bun $version: all tests passed."

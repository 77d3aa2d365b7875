#!/usr/bin/env bash
# Debian packages that some tests use. Where they cannot be installed, those tests are skipped with their reason.
set -u
missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
[ ${#missing[@]} -eq 0 ] && exit 0
[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || { echo "system: not installed: ${missing[*]}"; exit 0; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null || echo "system: could not install ${missing[*]}"
exit 0

#!/bin/sh
# Installs Debian's PgBouncer for the tests that go through it, when there is none and root may install it.
set -eu

PATH="$PATH:/usr/sbin"
command -v pgbouncer >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing pgbouncer, which takes a moment the first time"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends pgbouncer >/dev/null
fi

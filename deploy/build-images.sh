#!/bin/sh
# Builds the images without a registry: root file systems by mmdebstrap, wheels by pip, and no network in the build.
#
#   deploy/build-images.sh [worker] [server] [redis] [prometheus]      (all of them unless told)
#
# worker is tagged reward-sandbox-worker:local and, as the image of the Docker backend, reward-sandbox:local; server is
# reward-server:local. What was made is kept in CACHE (default: .cache/images) and made again when its recipe changes.
# Speaks to the dockerd that DOCKER_HOST names. Needs root for mmdebstrap, and nothing is left of a build that failed.
set -eu
cd "$(dirname "$0")/.."

SUITE=${SUITE:-bookworm}
CACHE=${CACHE:-.cache/images}
PYTHON=${PYTHON:-python3}
mkdir -p "$CACHE"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

# BuildKit leaves out the stages that a target does not need; a docker without it has the older builder.
DOCKER=${DOCKER:-}
for candidate in $DOCKER docker /usr/bin/docker; do
    major=$("$candidate" --version 2>/dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    [ -n "$major" ] || continue
    DOCKER=$candidate DOCKER_BUILDKIT=0
    if [ "$major" -lt 23 ] || "$candidate" buildx version >/dev/null 2>&1; then DOCKER_BUILDKIT=1 && break; fi
done
export DOCKER_BUILDKIT
docker() { "$DOCKER" "$@"; }

rootfs() { # rootfs NAME PACKAGES: import a root file system, unless dockerd has it already
    tag="reward-base-$1:$(echo "$SUITE $2" | sha256sum | cut -c1-12)"
    docker image inspect "$tag" >/dev/null 2>&1 && { echo "$tag"; return; }
    archive="$CACHE/$(echo "$tag" | tr : -).tar"
    if [ ! -f "$archive" ]; then
        echo "making a root file system with $2" >&2
        TMPDIR=$scratch mmdebstrap --quiet --variant=essential --include="$2" \
            --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
            --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
            --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
            --dpkgopt='path-exclude=/usr/share/info/*' "$SUITE" "$archive.part.tar" >&2
        mv "$archive.part.tar" "$archive"
    fi
    docker import "$archive" "$tag" >/dev/null
    echo "$tag"
}

context() { # what the Dockerfile copies, and the wheels of the very versions that constraints.txt names
    mkdir -p "$scratch/context/owns"
    cp -r pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md constraints.txt reward_server sandbox language_id \
        "$scratch/context/"
    find "$scratch/context" -name __pycache__ -prune -exec rm -rf {} +
    # The dates of files are part of a wheel; with one date the same sources are the same layer.
    SOURCE_DATE_EPOCH=1700000000 "$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir "$scratch/context/owns" \
        "$scratch/context"
    wheels="$CACHE/wheels-$(cat pyproject.toml constraints.txt | sha256sum | cut -c1-12)"
    if [ ! -d "$wheels" ]; then
        # async-timeout: redis-py needs it on the Python of Debian 12, which is 3.11.2, and not on that of this host.
        "$PYTHON" -m pip download --quiet --only-binary :all: --constraint constraints.txt --dest "$wheels.part" \
            "$(echo "$scratch"/context/owns/reward_server-*.whl)" "pip>=25.1" async-timeout
        rm -f "$wheels.part"/reward_server-*.whl
        mv "$wheels.part" "$wheels"
    fi
    cp -r "$wheels" "$scratch/context/wheels"
}

build() { # build TARGET TAG...
    target=$1
    shift
    [ -d "$scratch/context" ] || context
    for tag in "$@"; do tags="${tags:-} --tag $tag"; done
    # shellcheck disable=SC2086 # one argument a word
    docker build --quiet --network none --force-rm --file deploy/Dockerfile --target "$target" $tags \
        --build-arg "SERVER_BASE=$server_base" --build-arg "WORKER_BASE=$worker_base" "$scratch/context"
    tags=""
}

wanted=${*:-worker server redis prometheus}
# Both targets take what is installed from one stage, which is that of the server's base where the server is wanted too.
case " $wanted " in
*" server "*) server_base=$(rootfs server python3,libstdc++6) ;;
*) server_base=$(rootfs worker python3,g++,mold,nodejs) ;;
esac
worker_base=$server_base

for image in $wanted; do
    case $image in
    worker)
        worker_base=$(rootfs worker python3,g++,mold,nodejs)
        build worker reward-sandbox-worker:local reward-sandbox:local
        ;;
    server) build server reward-server:local ;;
    redis) docker tag "$(rootfs redis redis-server)" reward-redis:local ;;
    prometheus) docker tag "$(rootfs prometheus prometheus)" reward-prometheus:local ;;
    *)
        echo "no image $image" >&2
        exit 2
        ;;
    esac
done

#!/bin/sh
# Fetches the repositories on which the choice of context is judged: context-repositories.sh DIRECTORY.
# Permissive licences, none in the default model's training data. Those that are cloned have a history; the others come
# from PyPI's source distributions and Debian's source packages and get a repository of one commit. Needs git, pip, tar
# and, for the Debian ones, apt-get; what cannot be fetched is named and left out. CLONE_BASE may be a folder that
# holds OWNER/NAME, for a machine without network.
set -eu

directory=${1:?usage: context-repositories.sh DIRECTORY}
clone_base=${CLONE_BASE:-https://github.com}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

import() { # NAME ARCHIVE
    mkdir -p "$directory/$1"
    tar xf "$2" -C "$directory/$1" --strip-components=1
    git -C "$directory/$1" init -q
    git -C "$directory/$1" add -A -f .
    git -C "$directory/$1" -c user.name=import -c user.email=import@example.com commit -qm import
}

clone() { # OWNER/NAME
    name=${1#*/}
    [ -d "$directory/$name" ] || git clone -q "$clone_base/$1" "$directory/$name" || echo "not fetched: $1" >&2
}

pypi() { # NAME VERSION
    [ -d "$directory/$1" ] && return
    if pip download -q --no-deps --no-binary :all: -d "$work" "$1==$2" && ls "$work/$1"-*.tar.gz >/dev/null 2>&1; then
        import "$1" "$work/$1"-*.tar.gz
    else
        echo "not fetched: $1" >&2
    fi
}

debian_lists() {
    mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial"
    # From where this machine's packages come; the archive of security updates has no release of its own.
    archive=$(apt-cache policy | sed -n 's/^ *[0-9]* \([a-z]*:[^ ]*\) bookworm\/main .*/\1/p' | head -n 1)
    printf 'Types: deb-src\nURIs: %s\nSuites: bookworm\nComponents: main\nSigned-By: %s\n' \
        "$archive" /usr/share/keyrings/debian-archive-keyring.gpg > "$work/parts/source.sources"
    apt_options="-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$work/parts -o Dir::State::lists=$work/lists
        -o Dir::Cache=$work/cache -o APT::Sandbox::User=$(id -un)"
    apt-get $apt_options -qq update >&2 || echo "no list of Debian's sources from ${archive:-nowhere}" >&2
}

debian() { # NAME SOURCE-PACKAGE
    [ -d "$directory/$1" ] && return
    [ -n "${apt_options:-}" ] || debian_lists
    if (cd "$work" && apt-get $apt_options source --download-only -qq "$2" >&2); then
        import "$1" "$(ls "$work"/*.orig.tar.* | grep "/$2_" | head -1)"
    else
        echo "not fetched: $2" >&2
    fi
}

clone hyperium/hyper            # Rust, MIT
clone labstack/echo             # Go, MIT
clone colinhacks/zod            # TypeScript, MIT
clone jpsim/Yams                # Swift and C, MIT
clone nornir-automation/nornir  # Python, Apache-2.0
pypi sanic 25.12.1              # Python, MIT
pypi luigi 3.8.1                # Python, Apache-2.0
pypi kombu 5.7.0                # Python, BSD-3-Clause
debian commons-lang libcommons-lang3-java   # Java, Apache-2.0
debian jansson jansson                      # C, MIT

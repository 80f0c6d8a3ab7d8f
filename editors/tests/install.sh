#!/bin/sh
# Installs the editors that editors/tests/run.sh needs, on Debian and Ubuntu; elsewhere it says what is missing.
# Exit status: 0 all is there, 1 an installation failed, 2 something is left for the user to do.

set -eu

say() { printf '%s\n' "$*" >&2; }

missing=''
want() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || missing="$missing $2"
}
want nvim neovim
want vim vim
want emacs emacs-nox
want node nodejs
want python3 python3
want git git
# Emacs has Eglot since 29; before that Debian packages it.
if ! command -v emacs >/dev/null || ! emacs -q --batch --eval '(progn (package-initialize) (require (quote eglot)))' \
    >/dev/null 2>&1; then
    missing="$missing elpa-eglot"
fi

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    say "Missing for the tests of the editor plugins:$missing"
    exit 2
fi
sudo='sudo '
[ "$(id -u)" -eq 0 ] && sudo=''
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
    say "Missing for the tests of the editor plugins, and no sudo here. Run as root: apt-get install$missing"
    exit 2
fi
say "Installing for the tests of the editor plugins:$missing"
$sudo apt-get -qq update || exit 1
packages=''
for package in $missing; do
    # Releases with Emacs 29 or later have no package for Eglot.
    if [ "$package" != elpa-eglot ] || apt-cache show elpa-eglot >/dev/null 2>&1; then packages="$packages $package"; fi
done
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends $packages \
    >/dev/null || exit 1

#!/bin/sh
# Makes sure that everything the build needs is on this machine: a Swift toolchain, git, pkg-config, a C++ runtime to
# link against, libgit2, OpenBLAS and libcurl (opened at run time). On Debian and Ubuntu it installs what is missing, after saying what; elsewhere it
# prints the command that would. It never installs Swift itself: it prints how.
# Exit status: 0 all is there, 1 an installation failed, 2 something is left for the user to do.

set -eu

required_major=6
required_minor=2
recommended=6.3.1 # the release that the project is tested with

say() { printf '%s\n' "$*" >&2; }

# The distribution by its own description (os-release(5)).
ID=unknown ID_LIKE='' VERSION_ID='' VERSION_CODENAME='' PRETTY_NAME='this system'
if [ -r /etc/os-release ]; then
    # shellcheck disable=SC1091
    . /etc/os-release
fi

# Whose packages are installed here.
family() {
    for name in $ID $ID_LIKE; do
        case $name in
        debian | ubuntu) echo debian && return ;;
        fedora | rhel | centos) echo fedora && return ;;
        arch) echo arch && return ;;
        esac
    done
    echo other
}
family=$(family)

sudo='sudo '
[ "$(id -u)" -eq 0 ] && sudo=''

# ------------------------------------------------------------------------------------------------------ Swift

# The major and minor number of the first swift in PATH; nothing when there is none or it does not start.
swift_version() {
    swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1
}

# What swift.org says to install before a toolchain, and how to install the toolchain.
swift_instructions() {
    case $family in
    debian)
        gcc=12
        case $ID-$VERSION_ID in debian-13 | ubuntu-24.* | ubuntu-25.*) gcc=13 ;; esac
        [ "$ID-$VERSION_ID" = debian-13 ] && gcc=14
        say "  ${sudo}apt-get install binutils ca-certificates curl git gnupg libc6-dev libcurl4-openssl-dev \\"
        say "      libedit2 libgcc-$gcc-dev libncurses-dev libpython3-dev libsqlite3-0 libstdc++-$gcc-dev \\"
        say "      libxml2-dev libz3-dev pkg-config tzdata unzip zlib1g-dev"
        ;;
    fedora)
        say "  ${sudo}dnf install binutils curl gcc gcc-c++ git glibc-devel libcurl-devel libedit-devel \\"
        say "      libuuid-devel libxml2-devel ncurses-devel python3-devel sqlite-devel tar tzdata unzip zlib-devel"
        ;;
    arch)
        say "  ${sudo}pacman -S --needed base-devel curl git libedit libxml2 ncurses python sqlite tzdata unzip zlib"
        say "  (swift.org has no toolchain for Arch; the AUR package swift-bin repacks one: yay -S swift-bin)"
        return
        ;;
    other) say "  (the packages that https://www.swift.org/install/linux names for your system)" ;;
    esac
    say "  curl -O https://download.swift.org/swiftly/linux/swiftly-\$(uname -m).tar.gz"
    say "  tar zxf swiftly-\$(uname -m).tar.gz"
    say "  ./swiftly init --quiet-shell-followup"
    say "  . \"\${SWIFTLY_HOME_DIR:-\$HOME/.local/share/swiftly}/env.sh\" && hash -r"
    say "  swiftly install --use $recommended"
}

# Ends the script with what to do, unless the first swift in PATH is there and new enough. A toolchain that does not
# start passes when `later` is given: a library that it needs may be installed in between.
check_swift() { # [later]
    if ! command -v swift >/dev/null; then
        say "Swift is not in PATH: Foretoken needs $required_major.$required_minor or later."
    else
        version=$(swift_version)
        [ -z "$version" ] && [ "${1-}" = later ] && return
        if [ -n "$version" ]; then
            major=${version% *} minor=${version#* }
            [ "$major" -gt "$required_major" ] && return
            [ "$major" -eq "$required_major" ] && [ "$minor" -ge "$required_minor" ] && return
            say "Swift $major.$minor is too old: Foretoken needs $required_major.$required_minor or later."
        else
            say "The toolchain at $(command -v swift) does not start:"
            swift --version 2>&1 | head -n 3 >&2 || true
        fi
    fi
    say "On $PRETTY_NAME, install it with these lines, then run make again:"
    say ""
    swift_instructions
    exit 2
}

# ---------------------------------------------------------------------------------------------- other packages

# The toolchain's own clang++, which SwiftPM links with.
toolchain_clangxx() {
    swift=$(command -v swift)
    for folder in "$(dirname "$swift")" "$(dirname "$(readlink -f "$swift")")"; do
        [ -x "$folder/clang++" ] && echo "$folder/clang++" && return
    done
    command -v clang++ || true
}

# Whether a C++ program links: without libstdc++'s development files every Swift link fails.
links_cxx() {
    [ -n "$clangxx" ] || return 0
    printf 'int main() { return 0; }\n' | "$clangxx" -x c++ -o /dev/null -lstdc++ - >/dev/null 2>&1
}

# Whether the dynamic linker finds libcurl, which `foretoken eval --engine` opens.
has_curl() {
    PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q 'libcurl\(-gnutls\)\?\.so\.4'
}

# What is missing, one word each.
missing() {
    swift --version >/dev/null 2>&1 || echo toolchain-libraries
    command -v git >/dev/null || echo git
    command -v pkg-config >/dev/null || echo pkg-config
    links_cxx || echo c++
    # Without pkg-config its files say nothing; it is installed first and asked then.
    pkg-config --exists libgit2 2>/dev/null || echo libgit2
    pkg-config --exists openblas 2>/dev/null || echo openblas
    # A test watches the system calls of the daemon.
    command -v strace >/dev/null || echo strace
    has_curl || echo curl-library
}

# The Debian package for a word of `missing`.
debian_package() {
    case $1 in
    c++)
        # clang++ takes the newest GCC folder, which may not be the one that g++ brings a libstdc++ for.
        gcc=$("$clangxx" -v 2>&1 | sed -n 's/^Selected GCC installation: .*\/\([0-9]*\)$/\1/p')
        if [ -n "$gcc" ]; then echo "libstdc++-$gcc-dev"; else echo g++; fi
        ;;
    libgit2) echo libgit2-dev ;;
    # The development package: the library's own name differs between releases.
    curl-library) echo libcurl4-openssl-dev ;;
    openblas) echo libopenblas-dev ;;
    # The names that are the same in every release, of what swift.org lists.
    toolchain-libraries) echo libcurl4-openssl-dev libedit2 libncurses-dev libsqlite3-0 libxml2-dev ;;
    *) echo "$1" ;;
    esac
}

fedora_package() {
    case $1 in
    c++) echo gcc-c++ ;;
    libgit2) echo libgit2-devel ;;
    openblas) echo openblas-devel ;;
    curl-library) echo libcurl ;;
    pkg-config) echo pkgconf-pkg-config ;;
    toolchain-libraries) echo libcurl libedit ncurses-libs sqlite-libs libxml2 ;;
    *) echo "$1" ;;
    esac
}

arch_package() {
    case $1 in
    c++) echo gcc ;;
    curl-library) echo curl ;;
    pkg-config) echo pkgconf ;;
    toolchain-libraries) echo curl libedit ncurses sqlite libxml2-legacy ;;
    *) echo "$1" ;;
    esac
}

install_on_debian() {
    # The dependencies come over https.
    [ -e /etc/ssl/certs/ca-certificates.crt ] || set -- "$@" ca-certificates
    if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
        say "Missing packages, and no sudo here. Run this as root, then run make again:"
        say "  apt-get install $*"
        exit 2
    fi
    say "Missing packages. Installing them with:"
    say "  ${sudo}apt-get update"
    say "  ${sudo}apt-get install -y --no-install-recommends $*"
    # shellcheck disable=SC2086
    if ! $sudo apt-get -qq update ||
        ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y \
            --no-install-recommends "$@" >/dev/null; then
        say "That failed; the lines above say why. Install the packages in your own way, then run make again."
        exit 1
    fi
}

# Prints the command for the user.
leave_to_user() {
    say "Missing packages. Install them with this line, then run make again:"
    say "  $*"
    exit 2
}

check_packages() {
    clangxx=$(toolchain_clangxx)
    absent=$(missing)
    [ -n "$absent" ] || return 0
    packages=''
    for name in $absent; do
        case $family in
        debian) packages="$packages $(debian_package "$name")" ;;
        fedora) packages="$packages $(fedora_package "$name")" ;;
        arch) packages="$packages $(arch_package "$name")" ;;
        other) packages="$packages $name" ;;
        esac
    done
    # shellcheck disable=SC2086
    case $family in
    debian) install_on_debian $packages ;;
    fedora) leave_to_user "${sudo}dnf install$packages" ;;
    arch) leave_to_user "${sudo}pacman -S --needed$packages" ;;
    other) leave_to_user "(your package manager) install$packages, with development files" ;;
    esac
    absent=$(missing)
    if [ -n "$absent" ]; then
        say "Installed, but still not usable: $(echo "$absent" | tr '\n' ' ')"
        say "  → see 'pkg-config --print-errors --exists libgit2 openblas' and 'clang++ -v'"
        exit 1
    fi
}

check_swift later
check_packages
check_swift

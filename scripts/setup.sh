#!/bin/sh
# Make .venv with what one make target needs, and the system packages below it.
#
#   scripts/setup.sh run     what the program needs
#   scripts/setup.sh dev     and what its tests and checks need
#   scripts/setup.sh train   and torch, which trains contrastive embeddings
#   scripts/setup.sh docs    and what its pages need
#
# What is there already is left alone: a later call costs a fraction of a second.
set -eu
cd "$(dirname "$0")/.."
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Shared libraries that Qt's wheel does not bring, with Debian's name of the package. The second list is asked for only
# where there is a screen: painting off screen does without.
QT_LIBRARIES="libGL.so.1=libgl1 libEGL.so.1=libegl1 libfontconfig.so.1=libfontconfig1 libdbus-1.so.3=libdbus-1-3
 libgthread-2.0.so.0=libglib2.0-0 libXext.so.6=libxext6"
SCREEN_LIBRARIES="libxkbcommon-x11.so.0=libxkbcommon-x11-0 libX11-xcb.so.1=libx11-xcb1 libxcb-icccm.so.4=libxcb-icccm4
 libxcb-image.so.0=libxcb-image0 libxcb-keysyms.so.1=libxcb-keysyms1 libxcb-randr.so.0=libxcb-randr0
 libxcb-render-util.so.0=libxcb-render-util0 libxcb-shape.so.0=libxcb-shape0 libxcb-sync.so.1=libxcb-sync1
 libxcb-xfixes.so.0=libxcb-xfixes0 libxcb-xinerama.so.0=libxcb-xinerama0 libxcb-xkb.so.1=libxcb-xkb1"

say() { printf 'neuroreel setup: %s\n' "$*" >&2; }

in_range() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

# Print the first Python of a fitting version that can also make environments (Debian packs that part apart).
find_python() {
    for name in python3 python3.13 python3.12 python3.11 /opt/homebrew/bin/python3 /usr/local/bin/python3; do
        if in_range "$name" && "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
}

# Print the packages that give such a Python on this Debian or Ubuntu.
python_packages() {
    for name in python3 python3.13 python3.12 python3.11; do
        if in_range "$name"; then
            "$name" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))'
            return
        fi
    done
    case "$(apt-cache policy python3 2>/dev/null | sed -n 's/^ *Candidate: *//p')" in
    '' | 3.11* | 3.12* | 3.13*) echo python3 python3-venv ;;
    *)
        for version in 3.13 3.12 3.11; do
            if apt-cache show "python$version-venv" >/dev/null 2>&1; then
                echo "python$version" "python$version-venv"
                return
            fi
        done
        say "this system offers no Python 3.11 to 3.13. Install one, for instance with https://docs.astral.sh/uv/"
        return 1
        ;;
    esac
}

# Print the pairs of the given list whose library the loader does not know.
missing_libraries() {
    ldconfig=$(PATH="$PATH:/sbin:/usr/sbin" command -v ldconfig) || return 0
    known=$("$ldconfig" -p 2>/dev/null) || return 0
    for pair in "$@"; do
        case "$known" in
        *"${pair%%=*} "*) ;;
        *) echo "$pair" ;;
        esac
    done
}

has_font() {
    for folder in /usr/share/fonts /usr/local/share/fonts "${HOME:-/}/.fonts" "${HOME:-/}/.local/share/fonts"; do
        [ -d "$folder" ] || continue
        [ -z "$(find -L "$folder" -name '*.[to]tf' 2>/dev/null | head -n 1)" ] || return 0
    done
    return 1
}

is_debian() { command -v apt-get >/dev/null 2>&1 && [ -e /etc/debian_version ]; }

# Install Debian packages, or print the line that does and stop.
need_packages() {
    line="apt-get install -y --no-install-recommends $*"
    if [ "$(id -u)" != 0 ]; then
        say "this system lacks what NeuroReel needs. Run this, then try again:"
        printf '\n    sudo apt-get update && sudo %s\n\n' "$line" >&2
        exit 1
    fi
    say "installing with apt: $*"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -qq
    # shellcheck disable=SC2086  # the line is a command of several words
    $line -qq >/dev/null
}

# Print what the system lacks for Qt: library=package pairs, and "font=package".
missing_for_qt() {
    [ "$(uname -s)" = Linux ] || return 0
    wanted=$QT_LIBRARIES
    [ -z "$screen" ] || wanted="$wanted $SCREEN_LIBRARIES"
    # shellcheck disable=SC2086  # a list of words
    missing_libraries $wanted
    has_font || echo "font=fonts-dejavu-core"
}

has_venv() { in_range .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }

ensure_system() {
    missing=$(missing_for_qt)
    python=""
    has_venv || python=$(find_python)
    if has_venv || [ -n "$python" ]; then
        packages=""
    elif is_debian; then
        [ "$(id -u)" != 0 ] || apt-get update -qq
        packages=$(python_packages)
    elif [ "$(uname -s)" = Darwin ]; then
        say "no Python 3.11 to 3.13 found. Run this, then try again:"
        printf '\n    brew install python@3.13\n\n' >&2
        exit 1
    else
        say "no Python 3.11 to 3.13 with its 'venv' part found. Install one and try again."
        exit 1
    fi
    packages="$packages $(printf '%s\n' "$missing" | sed 's/.*=//')"
    # shellcheck disable=SC2086  # a list of words
    set -- $packages
    [ $# -gt 0 ] || return 0
    if is_debian; then
        need_packages "$@"
    else
        say "the window needs these; install them with this system's package manager, then try again:"
        printf '%s\n' "$missing" | sed 's/=.*//; s/^font$/a TrueType font, such as DejaVu Sans/; s/^/    /' >&2
        exit 1
    fi
}

ensure_venv() {
    ! has_venv || return 0
    python=$(find_python)
    if [ -z "$python" ]; then
        say "no Python 3.11 to 3.13 with its 'venv' part found. Install one and try again."
        exit 1
    fi
    say "making .venv with $python"
    "$python" -m venv --clear .venv
}

what=${1:-run}
case "$what" in
run) extras="" ;;
dev) extras="[dev]" ;;
train) extras="[dev,train]" ;;
docs) extras="[docs]" ;;
*)
    say "usage: scripts/setup.sh run|dev|train|docs"
    exit 2
    ;;
esac

screen=""
[ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || screen="with a screen"
stamp=".venv/.neuroreel-$what"
key="$(cat pyproject.toml constraints.txt scripts/setup.sh | cksum) $(pwd) $screen"
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then
    exit 0
fi
ensure_system
ensure_venv
say "installing Python packages into .venv (a minute or two the first time)"
.venv/bin/python -m pip install --quiet -c constraints.txt -e ".$extras"
printf '%s\n' "$key" >"$stamp"

#!/bin/sh
# Create .venv with the Python packages of one make target, and install the system packages they need.
#
#   scripts/setup.sh run     to run the program
#   scripts/setup.sh dev     also for tests and checks
#   scripts/setup.sh train   also torch, which trains contrastive embeddings
#   scripts/setup.sh docs    to build the documentation
#
# A second call finds everything installed and takes a fraction of a second.
set -eu
cd "$(dirname "$0")/.."
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Shared libraries that Qt's wheel does not contain, each with its Debian package. The second list is needed only with a
# screen, not for drawing off screen.
QT_LIBRARIES="libGL.so.1=libgl1 libEGL.so.1=libegl1 libfontconfig.so.1=libfontconfig1 libdbus-1.so.3=libdbus-1-3
 libgthread-2.0.so.0=libglib2.0-0 libXext.so.6=libxext6"
SCREEN_LIBRARIES="libxkbcommon-x11.so.0=libxkbcommon-x11-0 libX11-xcb.so.1=libx11-xcb1 libxcb-icccm.so.4=libxcb-icccm4
 libxcb-image.so.0=libxcb-image0 libxcb-keysyms.so.1=libxcb-keysyms1 libxcb-randr.so.0=libxcb-randr0
 libxcb-render-util.so.0=libxcb-render-util0 libxcb-shape.so.0=libxcb-shape0 libxcb-sync.so.1=libxcb-sync1
 libxcb-xfixes.so.0=libxcb-xfixes0 libxcb-xinerama.so.0=libxcb-xinerama0 libxcb-xkb.so.1=libxcb-xkb1"

say() { printf 'neuroreel setup: %s\n' "$*" >&2; }

in_range() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

# Print the first Python of a supported version that can create environments (a separate package on Debian).
find_python() {
    for name in python3 python3.13 python3.12 python3.11 /opt/homebrew/bin/python3 /usr/local/bin/python3; do
        if in_range "$name" && "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
}

# Print the Debian or Ubuntu packages that provide such a Python.
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
        say "this system has no package for Python 3.11 to 3.13. Install Python, for example with https://docs.astral.sh/uv/"
        return 1
        ;;
    esac
}

# Print those of the given library=package pairs whose library the loader cannot find.
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

# Install Debian packages; without root, print the command that installs them and exit.
need_packages() {
    line="apt-get install -y --no-install-recommends $*"
    if [ "$(id -u)" != 0 ]; then
        say "system packages are missing. Run this, then try again:"
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

# Print what is missing for Qt: library=package pairs, and "font=package".
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
        say "no Python 3.11 to 3.13 with the 'venv' module found. Install one, then try again."
        exit 1
    fi
    packages="$packages $(printf '%s\n' "$missing" | sed 's/.*=//')"
    # shellcheck disable=SC2086  # a list of words
    set -- $packages
    [ $# -gt 0 ] || return 0
    if is_debian; then
        need_packages "$@"
    else
        say "the window needs the following; install them with the system's package manager, then try again:"
        printf '%s\n' "$missing" | sed 's/=.*//; s/^font$/a TrueType font, such as DejaVu Sans/; s/^/    /' >&2
        exit 1
    fi
}

ensure_venv() {
    ! has_venv || return 0
    python=$(find_python)
    if [ -z "$python" ]; then
        say "no Python 3.11 to 3.13 with the 'venv' module found. Install one, then try again."
        exit 1
    fi
    say "creating .venv with $python"
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

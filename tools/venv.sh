# Sourced by ./run, ./test, and .ci/run: finds a Python and keeps a virtual environment up to date. POSIX sh.

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# find_python: print the newest Python from 3.11 on that works.
find_python() {
    for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    for candidate in "${HOME:-/nonexistent}"/.pyenv/versions/3.1[1-9]*/bin/python; do
        if [ -x "$candidate" ]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "octoroute needs Python 3.11 or newer, and there is none on the PATH." \
        "Install it (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.13)," \
        "or name one: PYTHON=/path/to/python3.12 $0"
}

# make_venv DIRECTORY PYTHON: a virtual environment that works, new if need be.
make_venv() {
    if ! "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        "$2" -m venv --clear "$1" || fail "" "$2 could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv"
    fi
}

# install_once VENV WHAT PIP-ARGUMENTS...: pip install, unless that has been done since pyproject.toml last changed.
install_once() {
    venv=$1 stamp=$1/.installed-$2
    shift 2
    if [ -f "$stamp" ] && [ "$stamp" -nt pyproject.toml ]; then
        return
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" || fail "" "pip could not install: $*"
    touch "$stamp"
}

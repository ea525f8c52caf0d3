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

# pip_install VENV WHAT PIP-ARGUMENTS...: pip install, with a line to say so. A package index that does not answer is given up within a minute.
pip_install() {
    pip_venv=$1 what=$2 log=$1/pip.log
    shift 2
    echo "octoroute: installing $what into $pip_venv ..." >&2
    "$pip_venv/bin/python" tools/limit.py 900 "$log" \
        "$pip_venv/bin/python" -m pip install --disable-pip-version-check --no-input --timeout 10 --retries 2 "$@" && return
    tail -n 5 "$log" >&2
    fail "" "octoroute: pip could not install $what into $pip_venv; $log has all that pip said." \
        "If the package index did not answer: \`pip config list\` shows its address, PIP_INDEX_URL=https://... names another. Then call $0 again."
}

# install_once VENV NAME: requirements/NAME.txt, and octoroute as an editable package, unless that has been done since the lock last changed.
install_once() {
    stamp=$1/.installed-$2
    if [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt "requirements/$2.txt" ]; then
        return
    fi
    pip_install "$1" "requirements/$2.txt" --require-hashes --only-binary :all: -r requirements/build.txt -r "requirements/$2.txt"
    pip_install "$1" "octoroute itself" --no-deps --no-build-isolation --editable .
    touch "$stamp"
}

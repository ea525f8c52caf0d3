#!/bin/sh
# Install the clients of package-lock.json, requirements.txt, and frameworks.txt into a cache directory that all clones share, and print its path.
#
#   PYTHON=.venv/bin/python sh tests/e2e/clients/install.sh
#   sh tests/e2e/clients/install.sh --where        print the path only
#
# A half that cannot be installed within its limit is left out: the tests of its clients skip and name it.
set -eu
here=$(CDPATH='' cd -- "$(dirname "$0")" && pwd)
root=$here/../../..
python=${PYTHON:-python3}
version=$(cat "$here/package-lock.json" "$here/requirements.txt" "$here/frameworks.txt" | cksum | tr ' ' -)
cache=${OCTOROUTE_CLIENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/octoroute-clients}/$version
echo "$cache"
[ "${1:-}" != --where ] || exit 0
mkdir -p "$cache/node"

# once NAME SECONDS COMMAND...: with a time limit, unless it has succeeded before.
once() {
    name=$1 seconds=$2
    shift 2
    [ ! -e "$cache/$name.installed" ] || return 0
    echo "test: installing the clients of tests/e2e/clients: $name (once, into $cache) ..." >&2
    if "$python" "$root/tools/limit.py" "$seconds" "$cache/$name.log" "$@"; then
        touch "$cache/$name.installed"
    else
        echo "test: could not install them (see $cache/$name.log); the tests of these clients will skip" >&2
    fi
}

# answers: whether npm's registry does. One that accepts connections and then says nothing would use up the whole limit below.
answers() {
    "$python" "$root/tools/limit.py" 20 "$cache/registry.log" npm view zod version --fetch-timeout=10000 --fetch-retries=0
}

if [ -e "$cache/node.installed" ] || ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    :
elif ! answers; then
    echo "test: npm's registry does not answer (see $cache/registry.log); the tests of its clients will skip" >&2
else
    cp "$here/package.json" "$here/package-lock.json" "$cache/node/"
    # Not `npm ci`, which wants every platform's binaries in the lock; npm locks those of the platform where it ran.
    once node 300 npm install --no-save --prefix "$cache/node" --no-audit --no-fund --fetch-timeout=10000 --fetch-retries=1
fi
# aider pins old versions of what the frameworks need new. --no-deps: each list is whole, and pip takes minutes to find that out.
for name in requirements frameworks; do
    once $name 300 sh -c '"$1" -m venv --clear "$2" && "$2/bin/python" -m pip install --disable-pip-version-check --no-input \
        --timeout 10 --retries 2 --no-deps --only-binary :all: -r "$3"' sh "$python" "$cache/$name" "$here/$name.txt"
done

#!/bin/sh
# The two commands of the README, as somebody types them who has just cloned: no cache, no configuration, no variables. Needs the network.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
machine=$(mktemp -d)
trap 'rm -rf "$machine"' EXIT

git clone --quiet "$here" "$machine/octoroute"
mkdir "$machine/home"
cd "$machine/octoroute"

# fresh COMMAND...: with an empty home, and of the environment only what finds Python and the package index.
fresh() {
    env -i HOME="$machine/home" PATH="$PATH" TERM=dumb $(env | grep -E '^(PIP_|SSL_|REQUESTS_CA|CURL_CA|https?_proxy=|no_proxy=|HTTPS?_PROXY=|NO_PROXY=)' || :) "$@"
}

fresh ./run --once >first.txt
grep -q "prompts to one address" first.txt
fresh ./run --once | grep -q "prompts to one address"
fresh ./run --version | grep -qx "octoroute [0-9.]*"
(cd "$machine" && fresh ./octoroute/run config -o config.toml && fresh ./octoroute/run check | grep -q "is valid")
fresh ./test tests/unit/test_docs.py -q
echo "fresh machine: well"

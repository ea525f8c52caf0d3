#!/bin/sh
# Write requirements/*.txt, the versions and hashes that are installed, from the ranges in pyproject.toml, and the bill of materials. Needs the network.
#
#   just lock                      keep each version that is still in its range
#   just lock --upgrade            take the newest of each range
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

make_venv .venv-lock "$(find_python)"
.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
.venv-lock/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' >.venv-lock/build.in

# compile NAME UV-ARGUMENTS...: requirements/NAME.txt, for every Python and system that octoroute supports.
compile() {
    name=$1
    shift
    echo "lock: requirements/$name.txt"
    .venv-lock/bin/uv pip compile --quiet --python .venv-lock/bin/python --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command "just lock" --output-file "requirements/$name.txt" "$@"
}

compile test pyproject.toml .venv-lock/build.in --group dev --group e2e "$@"
compile run pyproject.toml --constraints requirements/test.txt "$@"
compile build .venv-lock/build.in --constraints requirements/test.txt "$@"
.venv-lock/bin/python tools/sbom.py >requirements/sbom.cdx.json
rm -f requirements/lowest.txt
compile lowest pyproject.toml --group dev --group sdks --resolution lowest-direct --constraints requirements/build.txt

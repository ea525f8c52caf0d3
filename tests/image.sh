#!/bin/sh
# The steps of the Dockerfile without Docker: a wheel in a clean environment, run by nobody from a directory that cannot be written. Needs the network.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd)
python=${PYTHON:-.venv/bin/python}
# An interpreter that everybody may run is nearer to the image's than one in somebody's home.
/usr/bin/python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python=${PYTHON:-/usr/bin/python3}
image=$(mktemp -d)
trap 'rm -rf "$image"' EXIT
chmod 755 "$image"

# What the build copies is what .dockerignore lets through, and all of it exists.
for name in $(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' Dockerfile); do
    [ -e "$name" ] || { echo "Dockerfile copies $name, which does not exist" >&2; exit 1; }
    grep -qx "!$name" .dockerignore || { echo ".dockerignore leaves out $name" >&2; exit 1; }
done
[ "$(grep -c '^FROM python:3.13-slim' Dockerfile)" = 2 ]
grep -q '^USER 10001' Dockerfile
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    docker build --quiet -t octoroute-test .
    docker run --rm --read-only octoroute-test demo --once
fi

mkdir "$image/src"
cp -r pyproject.toml requirements README.md LICENSE octoroute "$image/src"
"$python" -m venv "$image/build"
"$python" -m venv "$image/octoroute"
cd "$image/src"
pip="-m pip --quiet --disable-pip-version-check"
locked="--require-hashes --only-binary :all:"
# shellcheck disable=SC2086  # one word an option
{
    "$image/build/bin/python" $pip install $locked -r requirements/build.txt
    "$image/octoroute/bin/python" $pip install --no-compile $locked -r requirements/run.txt
    "$image/build/bin/python" $pip wheel --no-deps --no-build-isolation --wheel-dir dist .
    "$image/build/bin/python" "$here/tools/wheel.py" dist/*.whl
    "$image/octoroute/bin/python" $pip install --no-deps --no-compile dist/*.whl
}
cd "$here"
"$image/octoroute/bin/pip" uninstall --quiet --yes pip
"$image/octoroute/bin/python" -m compileall -q "$image/octoroute/lib"

mkdir "$image/etc"
cp config.toml "$image/etc"
chmod 555 "$image/etc"
cd "$image/etc"
PATH=$image/octoroute/bin:/usr/bin:/bin
export PATH
cat >"$image/as_nobody.py" <<'PY'
"""Runs the program as user 10001 where that is possible, asks it what the health check asks, and stops it as Docker does."""
import ast, os, re, signal, subprocess, sys, time

root = {"user": 10001, "group": 10001, "extra_groups": []} if os.getuid() == 0 else {}
try:
    subprocess.run(["octoroute", "--version"], check=True, **root)
except PermissionError:
    print("image: this Python lies where only root may read, so it runs as root here; set PYTHON to another", file=sys.stderr)
    root = {}
check = ast.literal_eval(re.search(r'CMD (\["python".*\])', open(sys.argv[1]).read())[1])
port = str(20000 + os.getpid() % 20000)
process = subprocess.Popen(["octoroute", "demo", "--port", port], stdout=subprocess.DEVNULL, **root)
for _ in range(100):
    if subprocess.run(check, env={**os.environ, "OCTOROUTE_PORT": port}, stderr=subprocess.DEVNULL, **root).returncode == 0:
        break
    time.sleep(0.1)
else:
    sys.exit("the health check never succeeded")
process.send_signal(signal.SIGTERM)
sys.exit(process.wait(timeout=30))
PY
"$image/octoroute/bin/python" "$image/as_nobody.py" "$here/Dockerfile"
echo "image: well"

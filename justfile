# Recipes for people who have `just`; ./run and ./test need nothing but Python.

# list the recipes
default:
    @just --list

# octoroute, installed into .venv: `just run serve -c config.toml`
run *ARGS:
    ./run {{ARGS}}

# the demo, which keeps serving
demo:
    ./run demo

# the demo's tour only
demo-once:
    ./run demo --once

# everything; with arguments only these tests
test *ARGS:
    ./test {{ARGS}}

# style, types, and layers
lint:
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    .venv/bin/pyright
    .venv/bin/lint-imports

# style mended as far as a machine can
format:
    .venv/bin/ruff check --fix
    .venv/bin/ruff format

# the generated pages, and a check that the docs say what the code does
docs:
    .venv/bin/python -m octoroute.config.render.reference > docs/configuration.md
    .venv/bin/python -m octoroute config > config.toml
    .venv/bin/python tools/docs.py
    ./test -q tests/unit/test_docs.py

# requirements/*.txt from the ranges in pyproject.toml; `just lock --upgrade` for the newest of each range
lock *ARGS:
    sh tools/lock.sh {{ARGS}}

# everything that can go wrong, at length; see docs/reliability.md
torture:
    .venv/bin/python tests/torture/chaos.py
    .venv/bin/python tests/torture/hour.py
    .venv/bin/python tests/torture/faults.py
    .venv/bin/python tests/torture/load.py --all
    .venv/bin/python tests/torture/budgets.py
    .venv/bin/python tests/torture/store.py --seconds 60 --rounds 10
    .venv/bin/python tests/torture/world

# the benchmarks; see benches/README.md
bench *ARGS:
    .venv/bin/python -m benches.run {{ARGS}}

# the pictures of docs/dashboard.md, with chromium
screenshots:
    .venv/bin/python -m tests.e2e.web.screenshots

# the container image
image:
    docker build -t octoroute .

# the real clients against every kind of endpoint, and the table of docs/clients.md
clients:
    PYTHON=.venv/bin/python sh tests/e2e/clients/install.sh
    .venv/bin/python tools/clients.py

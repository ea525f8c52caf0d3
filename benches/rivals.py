"""Who runs beside octoroute: how it is installed outside the project and pointed at the fake upstream. One function each.

Every rival runs as one process on one core with its own defaults, keep-alive to the upstream, and no access log.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from machine import first_line, free_port
from payloads import KEY


class Unavailable(Exception):
    """Why a rival cannot run here."""


@dataclass(frozen=True)
class Proxy:
    """How to start one: everything the harness needs to know of it."""

    name: str
    version: str
    port: int
    command: list[str] = field(default_factory=list)
    """Empty: nothing is started, the load goes straight to the upstream."""
    headers: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    ready_s: float = 30.0
    expects: dict[str, str] = field(default_factory=dict)
    """Headers its answers must carry, or the run is not what it says."""
    note: str = ""
    workers: int = 1


@dataclass(frozen=True)
class Setting:
    """Where one proxy lives: its directory for this run, its port, and the upstream's."""

    rivals: Path
    run: Path
    port: int
    upstream: int
    python: str
    install: bool = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream}/v1"


def _call(command: list[str], *, cwd: Path | None = None) -> str:
    """Its output. Raises Unavailable with its last words."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1200, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}") from None
    if done.returncode:
        raise Unavailable(f"`{' '.join(command[:4])} …` failed: {' '.join(done.stderr.strip().splitlines()[-2:])[:300]}")
    return done.stdout


def _may_install(setting: Setting, what: str) -> None:
    if not setting.install:
        raise Unavailable(f"{what} is not in {setting.rivals} and --no-install was given")


def _from_pypi(setting: Setting, folder: str, requirement: str, module: str) -> tuple[Path, str]:
    """Its own virtual environment: (its python, the installed version)."""
    home = setting.rivals / folder
    python = home / "bin" / "python"
    ask = [str(python), "-c", f"from importlib.metadata import version; print(version({module!r}))"]
    try:
        return python, _call(ask).strip()
    except Unavailable:
        _may_install(setting, folder)
    shutil.rmtree(home, ignore_errors=True)
    print(f"  installing {requirement} into {home} …", file=sys.stderr)
    _call([setting.python, "-m", "venv", str(home)])
    _call([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", requirement])
    return python, _call(ask).strip()


def _from_debian(setting: Setting, package: str, program: str) -> tuple[Path, dict[str, str]]:
    """The system's own, else the package and what it lacks unpacked beside (no root needed): (program, environment)."""
    own = setting.rivals / f"{package}-root"
    libraries = ":".join(str(path) for part in ("lib", "usr/lib") for path in sorted((own / part).glob("*-linux-gnu")))
    if found := shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"):
        return Path(found), {}
    if (own / "usr/sbin" / program).exists():
        return own / "usr/sbin" / program, {"LD_LIBRARY_PATH": libraries}
    _may_install(setting, package)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable(f"{program} is not installed and this is no Debian; install {program} with your package manager")
    print(f"  unpacking Debian's {package} into {own} …", file=sys.stderr)
    plan = _call(["apt-get", "--simulate", "--no-install-recommends", "install", package])
    needed = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    packages = setting.rivals / f"{package}-packages"
    packages.mkdir(parents=True, exist_ok=True)
    _call(["apt-get", "download", *needed], cwd=packages)
    for file in sorted(packages.glob("*.deb")):
        _call(["dpkg-deb", "--extract", str(file), str(own)])
    if not (own / "usr/sbin" / program).exists():
        raise Unavailable(f"Debian's {package} brought no {program}")
    return _from_debian(setting, package, program)


def direct(setting: Setting) -> Proxy:
    return Proxy("direct", "", setting.upstream, note="no proxy at all: the load generator straight to the fake upstream")


_NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {run}/nginx.pid; error_log {run}/nginx.err crit; {user}
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; client_body_buffer_size 1m; client_max_body_size 32m;
  client_body_temp_path {run}/body; proxy_temp_path {run}/proxy;
  fastcgi_temp_path {run}/fastcgi; uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
  upstream llm {{ server 127.0.0.1:{upstream}; keepalive 4096; keepalive_requests 1000000000; keepalive_timeout 3600s; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      proxy_pass http://llm; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 3600s;
    }}
  }}
}}
"""


def nginx(setting: Setting) -> Proxy:
    program, env = _from_debian(setting, "nginx-light", "nginx")
    config = setting.run / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(_NGINX.format(run=setting.run, upstream=setting.upstream, port=setting.port, user=user))
    version = first_line([str(program), "-v"], env).rpartition("/")[2]
    command = [str(program), "-p", str(setting.run), "-c", str(config), "-e", str(setting.run / "nginx.err")]
    return Proxy("nginx", version, setting.port, command, env=env, note="does not parse; proxy_buffering off")


_HAPROXY = """
global
  nbthread 1
defaults
  mode http
  maxconn 9000
  timeout connect 10s
  timeout client 3600s
  timeout server 3600s
  option http-no-delay
  http-reuse always
frontend in
  bind 127.0.0.1:{port} backlog 8192
  default_backend llm
backend llm
  server one 127.0.0.1:{upstream} pool-max-conn 4096
"""


def haproxy(setting: Setting) -> Proxy:
    program, env = _from_debian(setting, "haproxy", "haproxy")
    config = setting.run / "haproxy.cfg"
    config.write_text(_HAPROXY.format(port=setting.port, upstream=setting.upstream))
    version = first_line([str(program), "-v"], env).removeprefix("HAProxy version ").split(" ")[0]
    return Proxy("haproxy", version, setting.port, [str(program), "-db", "-f", str(config)], env=env, note="does not parse")


def litellm(setting: Setting) -> Proxy:
    python, version = _from_pypi(setting, "litellm", "litellm[proxy]", "litellm")
    config = setting.run / "litellm.yaml"
    route = {"model_name": "auto", "litellm_params": {"model": "openai/bench", "api_base": setting.base_url, "api_key": KEY}}
    config.write_text(json.dumps({"model_list": [route], "general_settings": {"master_key": KEY}}))  # JSON is YAML
    command = [str(python.with_name("litellm")), "--config", str(config), "--num_workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(setting.port)]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    return Proxy("litellm", version, setting.port, command, env=env, ready_s=180, note="master key, no database")


_PORTKEY = {"@portkey-ai/gateway": "1.15.2", "@hono/node-server": "1.13.7"}


def portkey(setting: Setting) -> Proxy:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Unavailable("Node.js and npm are not installed")
    home = setting.rivals / "portkey"
    gateway = home / "node_modules/@portkey-ai/gateway"
    # with the server version npm resolves by itself every stream fails ("TypeError: immutable"), so it is overridden
    pinned = {"@hono/node-server": _PORTKEY["@hono/node-server"]}
    wanted = json.dumps({"private": True, "dependencies": _PORTKEY, "overrides": pinned})
    manifest = home / "package.json"
    if not (gateway / "build/start-server.js").exists() or manifest.read_text() != wanted:
        _may_install(setting, "portkey")
        print(f"  installing @portkey-ai/gateway into {home} …", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        manifest.write_text(wanted)
        _call([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=home)
    version = json.loads((gateway / "package.json").read_text())["version"]
    command = [node, str(gateway / "build/start-server.js"), f"--port={setting.port}", "--headless"]
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": setting.base_url}
    env = {"NODE_ENV": "production"}
    node_version = first_line([node, "--version"])
    return Proxy("portkey", version, setting.port, command, headers=headers, env=env, ready_s=60, note=f"Node {node_version}")


def _rust_router(setting: Setting, name: str, requirement: str, launch: list[str], extra: list[str]) -> Proxy:
    """sglang-router, vllm-router, and smg have one ancestor and nearly the same options. They do not rewrite the model."""
    python, version = _from_pypi(setting, name, requirement, name)
    command = [str(python), *launch, "--host", "127.0.0.1", "--port", str(setting.port)]
    command += ["--worker-urls", f"http://127.0.0.1:{setting.upstream}", "--policy", "round_robin"]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port()), "--max-concurrent-requests", "16384"]
    return Proxy(name, version, setting.port, [*command, *extra], ready_s=90, note="Rust; parses, does not rewrite the model")


def sglang_router(setting: Setting) -> Proxy:
    return _rust_router(
        setting, "sglang-router", "sglang-router==0.3.2", ["-m", "sglang_router.launch_router"], ["--log-level", "warn"]
    )


def vllm_router(setting: Setting) -> Proxy:
    return _rust_router(
        setting, "vllm-router", "vllm-router==0.1.17", ["-m", "vllm_router.launch_router"], ["--log-level", "warning"]
    )


def smg(setting: Setting) -> Proxy:
    return _rust_router(setting, "smg", "smg==1.13.0", ["-m", "smg.cli", "launch"], ["--log-level", "warn", "--backend", "openai"])


RIVALS: dict[str, Callable[[Setting], Proxy]] = {
    "direct": direct,
    "nginx": nginx,
    "haproxy": haproxy,
    "sglang-router": sglang_router,
    "vllm-router": vllm_router,
    "smg": smg,
    "portkey": portkey,
    "litellm": litellm,
}

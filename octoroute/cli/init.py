"""`octoroute init`: finds model servers on the usual local ports and API keys, and writes a configuration that uses them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from octoroute.cli import plural
from octoroute.errors import OctorouteError

if TYPE_CHECKING:
    import httpx2

    from octoroute.config.render.starter import LocalServer, VendorKey

PORTS: Mapping[str, int] = {"Ollama": 11434, "LM Studio": 1234, "llama.cpp": 8080, "vLLM": 8000}
"""The default port of each server program."""

TIMEOUT_S = 1.5
MAX_BYTES = 1 << 20

_NOTHING = """\
octoroute: found nothing: no model server on {ports}, and no supported API key in the environment.
octoroute: wrote the template to {output}. Next, do one of these:
  - start a model server, e.g. `ollama pull qwen3:8b` with Ollama running, remove {output}, and run `octoroute init` again
  - export OPENAI_API_KEY, remove {output}, and run `octoroute init` again
  - enter the addresses of your servers in {output}, and run `octoroute check`
  - try octoroute without any model: `octoroute demo`"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("config.toml"),
        help="the new file (default: config.toml); an existing file is never overwritten",
    )


def run(args: argparse.Namespace) -> int:
    from octoroute.config import environment  # noqa: PLC0415  commands import lazily

    output: Path = args.output
    if output.exists():  # checked again when the file is created; this avoids the wait
        raise OctorouteError(f"{output} already exists; remove it, or choose another path with -o")
    return asyncio.run(start(output, environment.variables(), PORTS))


async def start(output: Path, env: Mapping[str, str], ports: Mapping[str, int]) -> int:
    """Write the configuration and return the exit code. `ports`: by server program. Raises OctorouteError if the file exists."""
    from octoroute.cli.config import write_new  # noqa: PLC0415  commands import lazily
    from octoroute.config.render.starter import keys_in, starter  # noqa: PLC0415
    from octoroute.config.render.template import template  # noqa: PLC0415
    from octoroute.config.schema import Names  # noqa: PLC0415

    servers, keys = await find(ports), keys_in(env)
    for line in _found(servers, keys):
        print(f"octoroute: found {line}", file=sys.stderr)
    text = starter(servers, keys, Names())
    write_new(output, text or template())
    if text is None:
        searched = ", ".join(f"{title} {port}" for title, port in ports.items())
        print(_NOTHING.format(ports=searched, output=output), file=sys.stderr)
    else:
        print(f"octoroute: wrote {output}; now `octoroute check -c {output}`, then `octoroute -c {output}`", file=sys.stderr)
    return 0


def _found(servers: Sequence[LocalServer], keys: Sequence[VendorKey]) -> list[str]:
    return [
        *(f"{server.title} at {server.base_url} with {plural(len(server.models), 'model')}" for server in servers),
        *(f"{key.variable} ({key.vendor.title})" for key in keys),
    ]


async def find(ports: Mapping[str, int]) -> tuple[LocalServer, ...]:
    """Return the servers that list their models, in the order of `ports`; all ports are tried at the same time."""
    import httpx2  # noqa: PLC0415  takes a tenth of a second

    async with httpx2.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        found = await asyncio.gather(*(_ask(client, title, port) for title, port in ports.items()))
    return tuple(server for server in found if server)


async def _ask(client: httpx2.AsyncClient, title: str, port: int) -> LocalServer | None:
    """None: nothing listens on the port, or it is not a model server."""
    import httpx2  # noqa: PLC0415

    from octoroute.config.render.starter import LocalServer  # noqa: PLC0415

    base_url = f"http://127.0.0.1:{port}/v1"
    body = bytearray()
    try:
        async with asyncio.timeout(TIMEOUT_S), client.stream("GET", f"{base_url}/models") as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    return None
            models = model_names(bytes(body)) if response.status_code == 200 else ()
    except (httpx2.HTTPError, TimeoutError):
        return None
    return LocalServer(title=title, base_url=base_url, models=models) if models else None


def model_names(body: bytes) -> tuple[str, ...]:
    """Return the ids of an OpenAI model list; empty if the body is anything else."""
    import msgspec  # noqa: PLC0415  commands import lazily

    try:
        listing = msgspec.json.decode(body, type=dict[str, object])
        rows = msgspec.convert(listing.get("data"), type=list[dict[str, object]])
    except (ValueError, RecursionError):
        return ()
    ids = [row.get("id") for row in rows]
    return tuple(name for name in ids if isinstance(name, str))

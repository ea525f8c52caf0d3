"""`octoroute init`: looks for local model servers and vendor keys, and writes a configuration that uses them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from octoroute.errors import OctorouteError

if TYPE_CHECKING:
    import httpx2

    from octoroute.config.render.starter import LocalServer, VendorKey

PORTS: Mapping[str, int] = {"Ollama": 11434, "LM Studio": 1234, "llama.cpp": 8080, "vLLM": 8000}

LOCAL_TIMEOUT_S = 1.5
VENDOR_TIMEOUT_S = 4.0
MAX_LISTING_BYTES = 4 << 20

_NOTHING = """\
octoroute: found no model: nothing answers on {ports}, and no vendor key is set in the environment.
octoroute: wrote the template to {output}. What to do next, one of:
  - start a model server, e.g. `ollama pull qwen3:8b` with Ollama running, and run `{me} init` again
  - set a vendor key, e.g. export OPENAI_API_KEY=..., and run `{me} init` again
  - write the addresses of your servers into {output}, and run `{me} check`
  - try octoroute without any model: `{me} demo`"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("config.toml"),
        help="the new file (default: config.toml); an unchanged template is replaced, anything else is never overwritten",
    )


def run(args: argparse.Namespace) -> int:
    from octoroute.cli.config import is_template  # noqa: PLC0415  commands import lazily
    from octoroute.config import environment  # noqa: PLC0415

    output: Path = args.output
    if output.exists() and not is_template(output):  # writing is exclusive anyway; this spares the wait
        raise OctorouteError(f"{output} already exists; remove it, or choose another path with -o")
    return asyncio.run(start(output, environment.variables(Path.cwd()), PORTS))


async def start(output: Path, env: Mapping[str, str], ports: Mapping[str, int], *, ask_vendors: bool = True) -> int:
    """`ask_vendors`: whether the vendors of the keys in `env` are asked for their models; returns the exit code."""
    from octoroute.cli.config import write_new  # noqa: PLC0415  commands import lazily
    from octoroute.config import environment  # noqa: PLC0415
    from octoroute.config.render.starter import keys_in, starter  # noqa: PLC0415
    from octoroute.config.render.template import template  # noqa: PLC0415
    from octoroute.config.schema import Names  # noqa: PLC0415

    servers = await find(ports)
    keys = await list_models(keys_in(env), env) if ask_vendors else keys_in(env)
    for line in _found(servers, keys):
        print(f"octoroute: found {line}", file=sys.stderr)
    text = starter(servers, keys, Names())
    write_new(output, text or template(), replace_template=True)
    me = environment.command()
    if text is None:
        tried = ", ".join(f"{title} {port}" for title, port in ports.items())
        print(_NOTHING.format(ports=tried, output=output, me=me), file=sys.stderr)
        return 0
    for line in _tiers(text, output, env):
        print(f"octoroute: {line}", file=sys.stderr)
    option = "" if output == Path("config.toml") else f" -c {output}"
    print(f"octoroute: wrote {output}; now `{me} check{option}`, then `{me} serve{option}`", file=sys.stderr)
    return 0


def _found(servers: Sequence[LocalServer], keys: Sequence[VendorKey]) -> Iterator[str]:
    for server in servers:
        yield f"{server.title} at {server.base_url} with {server.model_count}"
    for key in keys:
        known = (
            "" if key.listed or not key.vendor.models else "; its list of models could not be read, so the names may be outdated"
        )
        yield f"{key.variable} ({key.vendor.title}){known}"


def _tiers(text: str, output: Path, env: Mapping[str, str]) -> Iterator[str]:
    """What is in which tier, which tiers are empty, and where their requests go."""
    from octoroute.balancing.eligibility import FALLBACK_TIERS  # noqa: PLC0415  commands import lazily
    from octoroute.config import loads  # noqa: PLC0415
    from octoroute.domain.endpoint import CHAT_TIERS  # noqa: PLC0415

    endpoints = loads(text, output, env).endpoints
    names = {tier: [endpoint.name for endpoint in endpoints if endpoint.tier is tier] for tier in CHAT_TIERS}
    filled = [tier for tier in CHAT_TIERS if names[tier]]
    for tier in filled:
        yield f"{tier}: {', '.join(names[tier])}"
    if len(filled) == 1:
        yield f"there is only one tier, {filled[0]}: `auto` always uses it. Add a smaller or a larger model to route between tiers"
        return
    for tier in CHAT_TIERS:
        if not names[tier]:
            yield f"{tier}: empty; its requests go to {next(other for other in FALLBACK_TIERS[tier] if names[other])}"


async def find(ports: Mapping[str, int]) -> tuple[LocalServer, ...]:
    """The servers that list their models, in the order of `ports`. They are asked all at once."""
    import httpx2  # noqa: PLC0415  a tenth of a second that other commands need not wait

    from octoroute.config.render.starter import LocalServer  # noqa: PLC0415

    async def ask(client: httpx2.AsyncClient, title: str, port: int) -> LocalServer | None:
        base_url = f"http://127.0.0.1:{port}/v1"
        models = model_names(await _listing(client, f"{base_url}/models", (), LOCAL_TIMEOUT_S))
        return LocalServer(title=title, base_url=base_url, models=models) if models else None

    async with httpx2.AsyncClient(trust_env=False, timeout=LOCAL_TIMEOUT_S) as client:
        found = await asyncio.gather(*(ask(client, title, port) for title, port in ports.items()))
    return tuple(server for server in found if server)


async def list_models(keys: Sequence[VendorKey], env: Mapping[str, str]) -> tuple[VendorKey, ...]:
    """The same keys with the models that each vendor lists for its key. Without a list, the names this version knows are used."""
    import httpx2  # noqa: PLC0415  a tenth of a second that other commands need not wait
    import msgspec  # noqa: PLC0415

    from octoroute.domain.endpoint import Endpoint, Secret, Tier  # noqa: PLC0415
    from octoroute.upstream.providers import PROVIDERS  # noqa: PLC0415

    async def ask(client: httpx2.AsyncClient, key: VendorKey) -> VendorKey:
        vendor = key.vendor
        if not vendor.families or vendor.kind not in PROVIDERS:
            return key
        endpoint = Endpoint(
            id=vendor.name,
            name=vendor.name,
            tier=Tier.FAST,
            kind=vendor.kind,
            provider=vendor.name,
            base_url=vendor.base_url,
            model="",
            api_key=Secret(env[key.variable]),
        )
        provider = PROVIDERS[vendor.kind]
        body = await _listing(client, provider.probe_url(endpoint), provider.headers(endpoint), VENDOR_TIMEOUT_S)
        return msgspec.structs.replace(key, listed=model_names(body))

    async with httpx2.AsyncClient(timeout=VENDOR_TIMEOUT_S) as client:
        return tuple(await asyncio.gather(*(ask(client, key) for key in keys)))


async def _listing(client: httpx2.AsyncClient, url: str, headers: Sequence[tuple[str, str]], timeout_s: float) -> bytes:
    """The body of a list of models; empty if there is no server, no list, or one that is too long."""
    import httpx2  # noqa: PLC0415

    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s), client.stream("GET", url, headers=list(headers)) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_LISTING_BYTES:
                    return b""
            return bytes(body) if response.status_code == 200 else b""
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError):
        return b""


def model_names(body: bytes) -> tuple[str, ...]:
    """The names in a list of models, OpenAI's or Gemini's; none if the body is anything else."""
    import msgspec  # noqa: PLC0415  commands import lazily

    try:
        listing = msgspec.json.decode(body, type=dict[str, object])
        rows = msgspec.convert(listing.get("data", listing.get("models")), type=list[dict[str, object]])
    except (ValueError, RecursionError):
        return ()
    names = [row.get("id", row.get("name")) for row in rows]
    return tuple(name.removeprefix("models/") for name in names if isinstance(name, str))

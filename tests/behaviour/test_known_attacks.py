"""What went wrong in other gateways in 2025 and 2026, tried here. Each test names the incident.

Those that are tried elsewhere are in the table of tests/unit/test_case_tables.py; pages of other sites and rebound names in
test_web_pages.py.
"""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path

import pytest

from octoroute.errors import ConfigError
from tests.support.fake import completion, whole
from tests.support.live_gateway import configured, endpoint, post, question, settings, talk

PACKAGE = Path(__file__).resolve().parents[2] / "octoroute"
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
KEYS = {"keys": ["client-key-1111"], "admin_keys": ["admin-key-2222"]}

# CVE-2026-42203 (templates), CVE-2026-42271 and -30623 (commands), CVE-2026-42208 (SQL): code that would make them possible


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


MODULES = {"subprocess", "pickle", "marshal", "shelve", "jinja2", "mako", "dill", "cloudpickle", "pty"}
FUNCTIONS = (
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "os.exec",
    "os.spawn",
    "yaml.load",
    "yaml.unsafe",
    "asyncio.create_subprocess",
)


def test_no_code_runs_commands_templates_or_text_as_code():
    found = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path}: imports {name}" for name in names if name.partition(".")[0] in MODULES]
        called = {name for name, _ in calls(tree)}
        found += [
            f"{path}: calls {name}" for name in called if name in FUNCTIONS or ("." in name and name.startswith(FUNCTIONS[3:]))
        ]
    assert found == []


def is_constant(text: ast.expr) -> bool:
    """A literal or a named one, encoded or not; a name in capitals may stand in a literal."""
    if isinstance(text, ast.Call) and isinstance(text.func, ast.Attribute) and text.func.attr == "encode" and not text.args:
        return is_constant(text.func.value)
    if isinstance(text, ast.JoinedStr):
        names = [part.value for part in text.values if isinstance(part, ast.FormattedValue)]
        return all(isinstance(name, ast.Name) and name.id.isupper() for name in names)
    return isinstance(text, ast.Constant | ast.Name | ast.Attribute)


def test_sql_is_constant_text_with_bound_values():
    found = [
        f"{path}: {ast.unparse(call)}"
        for path, tree in TREES.items()
        if not str(path).startswith("store/")  # its tables have a day in their names: tests/contract/test_stores.py tries it
        for name, call in calls(tree)
        if name.rpartition(".")[2] in {"execute", "executemany", "executescript"} and call.args
        if not is_constant(call.args[0])
    ]
    assert found == []


TEMPLATES = [
    "{{7*7}}",
    "${7*7}",
    "<%= 7*7 %>",
    "#{7*7}",
    "{0.__class__.__mro__}",
    "%(secret)s",
    "{{config}}",
    "$(id)",
    "`id`",
    "${HOME}",
    "{name!r}",
]


@pytest.mark.parametrize("text", TEMPLATES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/chat"])
async def test_a_template_in_a_request_is_text(make_gateway, fake, text, path):
    gateway = await make_gateway([endpoint(fake)])
    body = {"message": text} if path == "/chat" else question(text, max_tokens=9)
    assert (await gateway.ask(body, path=path)).status_code == 200
    assert text in json.dumps(fake.requests[0].json, ensure_ascii=False)
    refused = await gateway.ask(question(model=text))
    assert refused.status_code == 404
    assert "49" not in refused.json()["error"]["message"]
    assert "<class" not in refused.text


# CVE-2026-48710 and CVE-2026-49468: who may is decided on the path that the Host header makes

HOSTS = [
    "x",
    "x/v1/models?",
    "evil.example/health#",
    "a b",
    "[::1",
    "x:99999",
    "health/live",
    "@health",
    "x\\..\\health",
    "?/health",
    "#",
    "127.0.0.1/health/..",
]
ADMIN = ["/admin/config", "/admin/providers", "/admin/stats", "/models", "/metrics", "/v1/models"]


@pytest.mark.parametrize("host", HOSTS)
async def test_no_host_opens_a_route(make_gateway, fake, host):
    gateway = await make_gateway([endpoint(fake)], auth=KEYS)
    for path in ADMIN:
        answer = await talk(gateway.url, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
        assert int(answer.split()[1]) in {400, 401, 403}, answer
        assert b"base_url" not in answer


TRICKS = [
    "//admin/config", "/admin//config", "/health/../admin/config", "/health/..%2fadmin/config", "/%61dmin/config", "/admin%2fconfig",
    "/health;/../admin/config", "/ADMIN/config", "http://x/admin/config", "http://evil@x/admin/config", "/./admin/config",
    "/health/%2e%2e/admin/config", "/v1/../admin/config", "/v1/admin/config", "/admin/config/", "/admin/config?x=/health",
    "/admin/config%00", "/admin/config%20", "/health%2f..%2fadmin%2fconfig", "/admin/config#/health",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("key", ["", "x-api-key: client-key-1111\r\n"])
async def test_no_spelling_of_a_path_opens_an_admin_route(make_gateway, fake, path, key):
    gateway = await make_gateway([endpoint(fake)], auth=KEYS)
    for method in ("GET", "HEAD", "POST"):
        answer = await talk(gateway.url, f"{method} {path} HTTP/1.1\r\nHost: x\r\nconnection: close\r\n{key}\r\n".encode())
        assert int(answer.split()[1]) in {400, 401, 403, 404, 405}, answer
        assert b"base_url" not in answer


# CVE-2025-66405 and portkey#1596, #1718: the client chooses the address

ADDRESSES = [
    "x-portkey-custom-host",
    "x-custom-host",
    "x-base-url",
    "x-forwarded-host",
    "x-upstream-url",
    "forwarded",
    "x-original-url",
    "x-rewrite-url",
    "x-octoroute-base-url",
]


@pytest.fixture
async def canary():
    """A server that must never be asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    server.close()


async def test_no_header_chooses_an_address(make_gateway, fake, canary):
    host, asked = canary
    gateway = await make_gateway([endpoint(fake)])
    for name in ADDRESSES:
        await gateway.ask(headers={name: f"http://{host}/v1"})
        await gateway.ask(headers={name: host})
    request = post(json.dumps(question()).encode(), path=f"http://{host}/v1/chat/completions")
    assert b" 200 " in await talk(gateway.url, request)
    assert (await gateway.ask(headers={"x-octoroute-provider": f"http://{host}/v1"})).status_code == 404
    assert asked == []
    assert {seen.headers["host"] for seen in fake.requests} == {fake.url.split("/")[2]}


@pytest.mark.parametrize("kind", ["openai", "azure", "anthropic", "gemini"])
@pytest.mark.parametrize(
    "model",
    ["x#", "../../../admin", "m@evil.example", "m?key=1", "http://evil.example/v1", "m/../..", "%2e%2e%2f", "//evil.example/"],
)
async def test_no_model_name_of_a_client_reaches_an_address(make_gateway, fake, kind, model):
    gateway = await make_gateway(
        [endpoint(fake, "only", provider="p")], providers={"p": {"kind": kind, "api_key": "sk-vendor-key"}}
    )
    for path, body in (
        ("/v1/chat/completions", question(model=model)),
        ("/v1/messages", question(model=model, max_tokens=5)),
        (f"/v1beta/models/{model}:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}),
    ):
        data = json.dumps(body).encode()
        answer = await talk(
            gateway.url, post(data, path=path.replace("#", "%23").replace("?", "%3f"), headers="connection: close\r\n")
        )
        assert int(answer.split()[1]) in {400, 404}, answer
    assert fake.requests == []


@pytest.mark.parametrize(
    "resource",
    [
        "evil.example#",
        "evil.example/?",
        "user@evil.example",
        "evil.example\\@x",
        "evil example",
        "evil.example/%zz",
        "[evil",
        "x:0",
    ],
)
def test_parts_of_an_address_are_checked_when_the_configuration_is_read(resource):
    with pytest.raises(ConfigError):
        configured(settings([endpoint(f"https://{resource}.openai.azure.com/openai", provider="azure")]))


@pytest.mark.parametrize("deployment", ["d#", "d?x=1", "../d", "d/../../x", "d@evil"])
async def test_a_configured_model_stays_one_part_of_the_path(make_gateway, fake, deployment):
    gateway = await make_gateway(
        [endpoint(fake, "m", provider="p", model=deployment)], providers={"p": {"kind": "azure", "api_key": "sk-vendor-key"}}
    )
    await gateway.ask(question(model="m"))
    (seen,) = fake.requests
    middle = seen.path.partition("/openai/deployments/")[2].partition("/chat/completions")[0]
    assert middle
    assert not set("/#?") & set(middle)


# GHSA-w98g-5w9p-p3rc: the gateway fetches what a client names


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
async def test_no_address_in_a_request_is_fetched(make_gateway, fake, canary, kind):
    host, asked = canary
    gateway = await make_gateway([endpoint(fake, "m", provider="p")], providers={"p": {"kind": kind, "api_key": "sk-vendor-key"}})
    urls = [
        f"http://{host}/a.png",
        f"http://[::ffff:127.0.0.1]:{host.split(':')[1]}/a.png",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
    ]
    for url in urls:
        content = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}]
        await gateway.ask({"model": "m", "messages": [{"role": "user", "content": content}]})
        content = [{"type": "text", "text": "look"}, {"type": "image", "source": {"type": "url", "url": url}}]
        await gateway.ask({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": content}]}, path="/v1/messages")
        parts = [{"text": "look"}, {"fileData": {"fileUri": url, "mimeType": "image/png"}}]
        await gateway.ask({"contents": [{"parts": parts}]}, path="/v1beta/models/m:generateContent")
    await asyncio.sleep(0.05)
    assert asked == []


async def test_no_redirect_of_an_upstream_is_followed(make_gateway, fake, canary):
    host, asked = canary

    async def away(exchange):
        exchange.head(307, {"location": f"http://{host}/v1/chat/completions", "content-length": "0"})

    for upstream in ("native", "aiohttp"):
        gateway = await make_gateway(
            [endpoint(fake, api_key="sk-vendor-key")], server={"upstream": upstream}, retry={"max_attempts": 1}
        )
        fake.always(away)
        assert (await gateway.ask()).status_code >= 500
    assert asked == []


# GHSA-6x2c-phff-wx57: a list for administrators that shows secrets

SECRETS = ["client-key-1111", "admin-key-2222", "sk-vendor-key-3333", "header-secret-4444", "proxy-secret-5555"]


async def test_no_route_that_reads_shows_a_secret(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, "m", id="m", provider="p", api_key=SECRETS[2], headers={"X-Extra": SECRETS[3]})],
        providers={
            "p": {"api_key": SECRETS[2], "headers": {"X-Auth": SECRETS[3]}},
            "q": {"proxy": f"http://u:{SECRETS[4]}@127.0.0.1:1"},
        },
        auth=KEYS,
    )
    await gateway.ask(headers={"x-api-key": SECRETS[1]})
    views = gateway.app._views._inner.routes
    paths = {route.path for route in views if "GET" in (route.methods or ())}
    assert "/admin/config" in paths
    for path in sorted(paths):
        for name in ("m", "p", "auto"):
            url = path.replace("{name:path}", name).replace("{id}", name)
            answer = await gateway.get(url, headers={"x-api-key": SECRETS[1], "accept": "*/*"})
            shown = f"{answer.text} {answer.headers}"
            assert not [secret for secret in SECRETS if secret in shown], url
    for body in (b"{", b"{}", json.dumps(question(model="nope")).encode()):
        answer = await gateway.ask(body, headers={"x-api-key": SECRETS[1]})
        assert not [secret for secret in SECRETS if secret in f"{answer.text} {answer.headers}"]


# CVE-2026-12772, -12795, -12796: what was revoked goes on


async def test_a_key_that_is_taken_away_is_refused_at_once_also_on_an_open_connection(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth=KEYS)
    assert (await gateway.ask(headers={"x-api-key": "client-key-1111"})).status_code == 200
    await gateway.reload(settings([endpoint(fake)], auth={"keys": ["client-key-new1"], "admin_keys": ["admin-key-new2"]}))
    assert (await gateway.ask(headers={"x-api-key": "client-key-1111"})).status_code == 401
    assert (await gateway.get("/admin/stats", headers={"x-api-key": "admin-key-2222"})).status_code == 401


# litellm PR#39559: somebody else's previous_response_id


async def test_a_stored_response_belongs_to_the_key_that_made_it(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["client-key-aaaa", "client-key-bbbb"]})
    mine, others = {"x-api-key": "client-key-aaaa"}, {"x-api-key": "client-key-bbbb"}
    fake.always(whole(completion("the secret is kraken")))
    made = (await gateway.ask({"model": "auto", "input": "remember", "store": True}, path="/v1/responses", headers=mine)).json()
    assert (await gateway.get(f"/v1/responses/{made['id']}", headers=mine)).status_code == 200
    for path in (f"/v1/responses/{made['id']}", f"/v1/responses/{made['id']}/input_items"):
        answer = await gateway.get(path, headers=others)
        assert answer.status_code == 404
        assert "kraken" not in answer.text
    assert (await gateway.client.delete(f"/v1/responses/{made['id']}", headers=others)).status_code == 404
    before = len(fake.requests)
    goes_on = {"model": "auto", "input": "what was it?", "previous_response_id": made["id"]}
    assert (await gateway.ask(goes_on, path="/v1/responses", headers=others)).status_code in {400, 404}
    reference = {
        "model": "auto",
        "input": [{"type": "item_reference", "id": made["output"][0]["id"]}, {"role": "user", "content": "?"}],
    }
    assert (await gateway.ask(reference, path="/v1/responses", headers=others)).status_code in {400, 404}
    assert len(fake.requests) == before
    assert (await gateway.ask(goes_on, path="/v1/responses", headers=mine)).status_code == 200

"""What an operator does through `/admin` while the gateway runs."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import tomllib
from pathlib import Path

import httpx2
import pytest
import tomli_w

from octoroute.config.file import ConfigFile
from tests.support.fake import by_wish, completion, error, hang, tokens, when, whole
from tests.support.live_gateway import LiveGateway, dead_port, endpoint, frames, question, settings, until

ADMIN = {"authorization": "Bearer the-admin-key"}
CLIENT = {"x-api-key": "the-client-key"}
AUTH = {"keys": ["the-client-key"], "admin_keys": ["the-admin-key"]}
ROUTES = [
    ("GET", "/admin/providers"),
    ("POST", "/admin/providers/openai/test"),
    ("POST", "/admin/providers/openai/enable"),
    ("POST", "/admin/providers/openai/disable"),
    ("POST", "/admin/endpoints/a/test"),
    ("POST", "/admin/endpoints/a/enable"),
    ("POST", "/admin/endpoints/a/disable"),
    ("GET", "/admin/stats"),
    ("POST", "/admin/stats/reset"),
    ("GET", "/admin/config"),
    ("PUT", "/admin/config"),
    ("POST", "/admin/config/reload"),
]


@pytest.fixture
async def filed(tmp_path, started):
    """A gateway that came from a file, as `octoroute -c FILE` makes it."""

    async def make(tree, env=None, name="config.toml"):
        path = tmp_path / name
        path.write_text(json.dumps(tree) if name.endswith(".json") else tomli_w.dumps(tree), "utf-8")
        file = ConfigFile(path, lambda: env or {}, tmp_path, wall=lambda: 1_700_000_000.0)
        gateway = await LiveGateway.open(tree, file=file)
        gateway.app.reload(file.load())
        started.push_async_callback(gateway.close)
        return gateway, path

    return make


def names(directory):
    return sorted(path.name for path in directory.iterdir())


async def admin(gateway, method, path, **more):
    headers = {**ADMIN, **more.pop("headers", {})}
    return await gateway.client.request(method, path, headers=headers, **more)


# who may come in


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a17_without_an_admin_key_the_routes_are_off(gateway, method, path):
    answer = await gateway.client.request(method, path)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "permission_denied"
    assert "admin_keys" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a17_only_an_admin_key_opens_them(make_gateway, fake, method, path):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    assert (await gateway.client.request(method, path)).status_code == 401
    assert (await gateway.client.request(method, path, headers={"x-api-key": "wrong"})).status_code == 401
    refused = await gateway.client.request(method, path, headers=CLIENT)
    assert refused.status_code == 403
    assert "requires the role" in refused.json()["error"]["message"]
    assert (await admin(gateway, method, path)).status_code not in {401, 403, 404}


async def test_an_admin_key_is_a_client_key_too(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    assert (await gateway.ask(headers=ADMIN)).status_code == 200
    assert (await gateway.ask()).status_code == 401


async def test_admin_keys_alone_do_not_close_the_gateway(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"admin_keys": ["the-admin-key"]})
    assert (await gateway.ask()).status_code == 200


# how they are


async def test_a15_status_of_every_provider(make_gateway, make_fake):
    good, bad = await make_fake(), await make_fake()
    bad.always(error(500))
    gateway = await make_gateway(
        [endpoint(good, id="a")],
        [endpoint(bad, "model-b", id="b", provider="other")],
        providers={"other": {"kind": "openai", "api_key": "sk-upstream-secret"}},
        auth=AUTH,
        retry={"max_attempts": 1},
    )
    told = (await admin(gateway, "GET", "/admin/providers")).json()
    keys = {"status", "priority", "failure_count", "last_success", "last_failure"}
    for provider in told["providers"].values():
        assert keys <= provider.keys()
        assert (provider["status"], provider["failure_count"]) == ("healthy", 0)
        assert provider["last_success"] is None
        assert provider["last_failure"] is None
        assert all(keys <= row.keys() for row in provider["endpoints"])
    await gateway.ask(model="fast", headers=CLIENT)
    await gateway.ask(model="balanced", headers=CLIENT)
    told = (await admin(gateway, "GET", "/admin/providers")).json()
    assert (told["providers"]["openai"]["status"], told["providers"]["other"]["status"]) == ("healthy", "unhealthy")
    assert isinstance(told["providers"]["openai"]["last_success"], float)
    assert isinstance(told["providers"]["other"]["last_failure"], float)
    assert told["providers"]["other"]["endpoints"][0]["last_error"] == "upstream_failed"
    for _ in range(2):
        await gateway.ask(model="balanced", headers=CLIENT)
    told = (await admin(gateway, "GET", "/admin/providers")).json()
    assert told["providers"]["other"]["status"] == "circuit_open"
    assert told["providers"]["other"]["failure_count"] == 3
    assert told["status"] == "degraded"
    assert "secret" not in json.dumps(told)


async def test_a15_health_shows_providers_only_to_who_has_a_key(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    assert "providers" not in (await gateway.get("/health")).json()
    told = (await gateway.get("/health", headers=CLIENT)).json()["providers"]
    assert told == {"openai": {"status": "healthy", "priority": 1, "failure_count": 0, "last_success": None, "last_failure": None}}


async def test_a30_the_root_tells_an_anonymous_caller_nothing_of_the_endpoints(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    assert fake.url not in (await gateway.get("/")).text
    assert (await gateway.get("/", headers=CLIENT)).json().keys() == {"name", "version", "greetings"}


async def test_a31_saturation_can_be_scraped(make_gateway, fake):
    gate = asyncio.Event()
    fake.always(when(gate, whole(completion())))
    gateway = await make_gateway([endpoint(fake, id="a", max_in_flight=2)])
    asking = asyncio.ensure_future(gateway.ask())
    await fake.asked()
    assert gateway.metric("octoroute_inflight_requests") == 1
    assert gateway.metric("octoroute_endpoint_inflight", endpoint="a") == 1
    gate.set()
    await asking
    await gateway.quiet()


# tests


async def test_a16_the_smallest_model_that_answers(make_gateway, make_fake):
    dead, good, unasked = await make_fake(), await make_fake(), await make_fake()
    dead.always(error(500))
    gateway = await make_gateway(
        [endpoint(dead, "small", id="s", model="small-up")],
        [endpoint(good, "middle", id="m", model="middle-up")],
        [endpoint(unasked, "big", id="b")],
        auth=AUTH,
    )
    answer = await admin(gateway, "POST", "/admin/providers/openai/test")
    told = answer.json()
    assert answer.status_code == 200
    assert (told["status"], told["provider"], told["endpoint"], told["model"], told["tier"]) == (
        "success",
        "openai",
        "m",
        "middle-up",
        "balanced",
    )
    assert told["latency_ms"] > 0
    assert [(row["endpoint"], row["error"]) for row in told["attempts"]] == [("s", "upstream_failed"), ("m", None)]
    asked = good.requests[0].json
    assert (asked["model"], len(asked["messages"])) == ("middle-up", 1)
    assert asked.get("max_tokens", asked.get("max_completion_tokens")) <= 16
    assert unasked.requests == []
    assert gateway.metric("octoroute_inflight_requests") == 0


@pytest.mark.parametrize(
    ("step", "code"),
    [(error(401, "bad key sk-abc"), "upstream_misconfigured"), (error(500), "upstream_failed"), (error(404), "upstream_declined")],
)
async def test_a16_a_dead_provider_is_503_with_the_mapped_error(make_gateway, fake, step, code):
    fake.always(step)
    gateway = await make_gateway([endpoint(fake, id="a", api_key="sk-upstream-secret")], auth=AUTH)
    answer = await admin(gateway, "POST", "/admin/providers/openai/test")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"]["code"] == code
    assert answer.json()["suggestions"]
    assert "sk-" not in answer.text


async def test_a16_an_open_circuit_is_tested_all_the_same_and_closes(make_gateway, fake):
    fake.then(error(401)).always(by_wish)
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    assert (await gateway.ask(headers=CLIENT)).status_code == 502
    assert (await gateway.ask(headers=CLIENT)).status_code == 503
    assert (await admin(gateway, "POST", "/admin/endpoints/a/test")).status_code == 200
    assert (await gateway.ask(headers=CLIENT)).status_code == 200


async def test_a16_nobody_listens(make_gateway):
    gateway = await make_gateway([endpoint(f"http://127.0.0.1:{dead_port()}/v1", id="a")], auth=AUTH)
    answer = await admin(gateway, "POST", "/admin/endpoints/a/test")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_unreachable")


@pytest.mark.parametrize("path", ["providers/nobody", "endpoints/nobody"])
async def test_an_unknown_name_is_404(make_gateway, fake, path):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    for verb in ("test", "enable", "disable"):
        answer = await admin(gateway, "POST", f"/admin/{path}/{verb}")
        assert answer.status_code == 404
        assert "nobody" in answer.json()["error"]["message"]


async def test_x25_no_get_asks_an_endpoint(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    paths = ["/", "/health", "/health/live", "/health/ready", "/models", "/v1/models", "/metrics"]
    for path in [*paths, *(path for method, path in ROUTES if method == "GET")]:
        assert (await admin(gateway, "GET", path)).status_code == 200, path
    for method, path in ROUTES:
        if method == "POST":
            assert (await admin(gateway, "GET", path)).status_code == 405, path
    assert fake.requests == []
    assert fake.probes == []


# switches


@pytest.mark.parametrize("path", ["providers/two", "endpoints/b"])
async def test_a17_switched_off_gets_nothing_new_and_finishes_what_it_has(make_gateway, make_fake, path):
    one, two = await make_fake("one"), await make_fake("two")
    gate = asyncio.Event()
    first, *rest = tokens(["a", "b"])

    async def held(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(first)
        await gate.wait()
        for piece in rest:
            exchange.chunk(piece)
        exchange.write(b"0\r\n\r\n")

    two.then(held)
    one.always(whole(completion("from one")))
    two.always(whole(completion("from two")))
    gateway = await make_gateway(
        [endpoint(one, id="a"), endpoint(two, id="b", provider="two", priority=9)],
        providers={"two": {"kind": "openai"}},
        auth=AUTH,
    )
    running = asyncio.ensure_future(gateway.streamed(headers=CLIENT))
    await two.asked()
    off = await admin(gateway, "POST", f"/admin/{path}/disable")
    assert (off.status_code, off.json()["enabled"], off.json()["status"]) == (200, False, "disabled")
    for _ in range(5):
        assert (await gateway.ask(headers=CLIENT)).json()["choices"][0]["message"]["content"] == "from one"
    assert len(two.requests) == 1
    gate.set()
    answer, data = await running
    assert answer.headers["x-octoroute-endpoint"] == "b"
    assert frames(data)[-1] == "[DONE]"
    on = await admin(gateway, "POST", f"/admin/{path}/enable")
    assert (on.json()["enabled"], on.json()["status"]) == (True, "healthy")
    assert (await gateway.ask(headers=CLIENT)).json()["choices"][0]["message"]["content"] == "from two"


async def test_a17_everybody_off_is_503_and_not_ready(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    await admin(gateway, "POST", "/admin/providers/openai/disable")
    assert (await gateway.ask(headers=CLIENT)).status_code == 503
    assert (await gateway.get("/health/ready")).status_code == 503
    route = await gateway.ask(path="/v1/route", headers=CLIENT)
    assert "disabled by an operator" in route.text
    assert fake.requests == []


async def test_a17_off_stays_off_over_a_reload_even_for_new_endpoints(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    await admin(gateway, "POST", "/admin/providers/openai/disable")
    await gateway.reload(settings([endpoint(fake, id="a"), endpoint(fake, id="new")], auth=AUTH))
    rows = (await admin(gateway, "GET", "/admin/providers")).json()["providers"]["openai"]["endpoints"]
    assert [(row["id"], row["status"]) for row in rows] == [("a", "disabled"), ("new", "disabled")]


# statistics


async def test_b14_a_known_sequence_gives_these_numbers(make_gateway, make_fake):
    good, bad = await make_fake(), await make_fake()
    bad.then(error(500), error(500)).always(by_wish)
    price = {"input": 10.0, "output": 100.0}
    gateway = await make_gateway(
        [endpoint(bad, "cheap", id="b", provider="flaky", priority=9, price=price), endpoint(good, "cheap", id="g", price=price)],
        [endpoint(good, "mid", id="m")],
        providers={"flaky": {"kind": "openai"}},
        auth={"keys": ["k-one", "k-two"], "admin_keys": ["the-admin-key"]},
    )
    one, two = {"x-api-key": "k-one"}, {"x-api-key": "k-two"}
    await gateway.ask(model="fast", headers=one)  # flaky fails, good answers
    await gateway.ask(model="fast", headers=two)  # again
    await gateway.ask(model="fast", headers=two)  # flaky answers
    await gateway.ask(model="balanced", headers=two)
    good.then(error(400, "declined"))
    await gateway.ask(model="balanced", headers=two)
    answer = await admin(gateway, "GET", "/admin/stats")
    told = answer.json()
    assert (told["total_requests"], told["successful_requests"], told["failed_requests"]) == (5, 4, 0)
    assert (told["refused_requests"], told["abandoned_requests"]) == (1, 0)
    cost = (7 * 10.0 + 3 * 100.0) / 1e6
    assert told["total_cost"] == pytest.approx(3 * cost)
    assert told["average_cost"] == pytest.approx(3 * cost / 5)
    assert told["cost_by_vendor"] == {"flaky": pytest.approx(cost), "openai": pytest.approx(2 * cost)}
    assert isinstance(told["last_request_time"], float)
    assert told["p50"] <= told["p95"] <= told["p99"]
    assert told["average_latency"] > 0
    rows = {name: (row["requests"], row["successes"], row["failures"], row["refused"]) for name, row in told["providers"].items()}
    assert rows == {"flaky": (3, 1, 2, 0), "openai": (4, 3, 0, 1)}
    assert told["providers"]["openai"]["token_usage"] == {
        "input": 21, "output": 9, "cached": 0, "reasoning": 0, "estimated": 0, "total": 30,
    }  # fmt: skip
    assert {name: row["requests"] for name, row in told["models"].items()} == {"cheap": 5, "mid": 2}
    assert {name: row["requests"] for name, row in told["endpoints"].items()} == {"b": 3, "g": 2, "m": 2}
    assert {name: row["requests"] for name, row in told["tiers"].items()} == {"fast": 3, "balanced": 2}
    assert {name: row["requests"] for name, row in told["keys"].items()} == {"key-1": 1, "key-2": 4}
    assert "k-one" not in answer.text


async def test_b14_reset(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    await gateway.ask(headers=CLIENT)
    told = (await admin(gateway, "POST", "/admin/stats/reset")).json()
    assert told["total_requests"] == 0
    assert told["average_latency"] is None
    assert told["providers"] == {}


async def test_b14_two_hundred_at_once_lose_nothing(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    await asyncio.gather(*(gateway.ask(headers=CLIENT) for _ in range(200)))
    told = (await admin(gateway, "GET", "/admin/stats")).json()
    assert (told["total_requests"], told["successful_requests"]) == (200, 200)
    assert told["token_usage"]["total"] == 2000


async def test_b14_a_test_counts_for_its_endpoint_and_is_nobodys_request(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    await admin(gateway, "POST", "/admin/endpoints/a/test")
    told = (await admin(gateway, "GET", "/admin/stats")).json()
    assert (told["total_requests"], told["endpoints"]["a"]["requests"]) == (0, 1)


# the configuration


def secretive(fake):
    return settings(
        [endpoint(fake, id="a", api_key="sk-plain-secret", headers={"X-Team": "s3cret-team"})],
        [endpoint(fake, "mid", id="m", api_key="${UP_KEY}", model="${MODEL_NAME}")],
        providers={"vendor": {"kind": "openai", "base_url": "${VENDOR_URL}", "api_key": "${UP_KEY:-sk-default}"}},
        server={"port": "${THE_PORT}"},
        auth={"keys": ["${CLIENT_KEY}", "another-secret"], "admin_keys": ["the-admin-key"]},
    )


ENV = {
    "UP_KEY": "sk-env-secret",
    "MODEL_NAME": "env-model",
    "VENDOR_URL": "http://env-host/v1",
    "THE_PORT": "3999",
    "CLIENT_KEY": "the-client-key",
}


async def secret_house(filed, fake):
    tree = secretive(fake)
    path_tree = json.loads(re.sub(r"\$\{(\w+)(?::-[^}]*)?\}", lambda found: ENV[found[1]], json.dumps(tree)))
    path_tree["server"]["port"] = 3999
    gateway, path = await filed(path_tree, ENV)
    path.write_text(tomli_w.dumps(tree), "utf-8")
    assert (await admin(gateway, "POST", "/admin/config/reload")).status_code == 200
    return gateway, path


async def test_a17_the_configuration_is_shown_without_secrets(filed, fake):
    gateway, path = await secret_house(filed, fake)
    answer = await admin(gateway, "GET", "/admin/config")
    told = answer.json()
    assert told["source"] == str(path)
    config = told["config"]
    assert config["models"]["fast"][0]["api_key"] == "***"
    assert config["models"]["fast"][0]["headers"] == {"X-Team": "***"}
    assert config["providers"]["vendor"]["api_key"] == "***"
    shown = {name: config["auth"][name] for name in ("keys", "admin_keys", "clients")}
    assert shown == {"keys": ["***", "***"], "admin_keys": ["***"], "clients": []}
    assert config["server"]["port"] == "${THE_PORT}"
    assert config["models"]["balanced"][0]["model"] == "${MODEL_NAME}"
    assert config["retry"] == {"max_attempts": 3, "backoff": "exponential", "fallback_on": []}
    for word in [*ENV.values(), "secret", "sk-", "s3cret", "the-admin-key"]:
        assert word not in answer.text.replace("openai", ""), word


async def test_a17_what_is_shown_may_be_handed_back(filed, fake):
    gateway, path = await secret_house(filed, fake)
    config = (await admin(gateway, "GET", "/admin/config")).json()["config"]
    config["retry"]["max_attempts"] = 7
    config["models"]["fast"].insert(0, {"name": "extra", "base_url": fake.url, "id": "x"})
    answer = await admin(gateway, "PUT", "/admin/config", json=config)
    assert answer.status_code == 200, answer.text
    assert gateway.app.config.retry.max_attempts == 7
    written = tomllib.loads(path.read_text("utf-8"))
    assert [row.get("api_key") for row in written["models"]["fast"]] == [None, "sk-plain-secret"]
    assert written["models"]["balanced"][0]["api_key"] == "${UP_KEY}"
    assert written["auth"]["keys"] == ["${CLIENT_KEY}", "another-secret"]
    assert (await gateway.ask(headers=CLIENT)).status_code == 200
    for word in ("secret", "the-client-key", "the-admin-key"):
        assert word not in answer.text


async def test_a17_a_masked_value_that_was_never_there_is_refused(filed, fake):
    gateway, path = await secret_house(filed, fake)
    before = path.read_text("utf-8")
    config = (await admin(gateway, "GET", "/admin/config")).json()["config"]
    config["models"]["fast"].append({"name": "n", "base_url": fake.url, "api_key": "***"})
    config["auth"]["keys"] = ["***"]
    answer = await admin(gateway, "PUT", "/admin/config", json=config)
    assert answer.status_code == 400
    assert [problem.split(":")[0] for problem in answer.json()["error"]["problems"]] == ["models.fast[1].api_key", "auth.keys[0]"]
    assert path.read_text("utf-8") == before


async def test_b5_a_change_counts_from_the_next_request_and_the_old_file_is_kept(filed, make_fake):
    one, two = await make_fake("one"), await make_fake("two")
    gate = asyncio.Event()
    one.always(when(gate, whole(completion("from one"))))
    two.always(whole(completion("from two")))
    gateway, path = await filed(settings([endpoint(one, id="a")], auth=AUTH))
    before = path.read_bytes()
    path.chmod(0o600)
    running = asyncio.ensure_future(gateway.ask(headers=CLIENT))
    await one.asked()
    text = "# kept as it is\n" + tomli_w.dumps(settings([endpoint(two, id="b")], auth=AUTH))
    answer = await admin(gateway, "PUT", "/admin/config", content=text, headers={"content-type": "application/toml"})
    assert answer.status_code == 200, answer.text
    assert path.read_text("utf-8") == text
    assert path.stat().st_mode & 0o777 == 0o600
    backup = Path(answer.json()["backup"])
    assert (backup.read_bytes(), backup.name) == (before, "config.toml.20231114_221320.bak")
    assert (await gateway.ask(headers=CLIENT)).json()["choices"][0]["message"]["content"] == "from two"
    gate.set()
    assert (await running).json()["choices"][0]["message"]["content"] == "from one"
    again = await admin(gateway, "PUT", "/admin/config", content=text)
    assert Path(again.json()["backup"]).name == "config.toml.20231114_221320-2.bak"
    assert names(path.parent) == [
        "config.toml",
        "config.toml.20231114_221320-2.bak",
        "config.toml.20231114_221320.bak",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server\n", ["not valid TOML"]),
        ("[server]\nprot = 1\n", ["server.prot", "models"]),
        ('{"models": {"fast": []}}', ["models"]),
        ("[1, 2]", ["TOML"]),
    ],
)
async def test_a17_an_invalid_change_changes_nothing_and_names_every_problem(filed, fake, text, says):
    gateway, path = await filed(settings([endpoint(fake, id="a")], auth=AUTH))
    before, config = path.read_bytes(), gateway.app.config
    answer = await admin(gateway, "PUT", "/admin/config", content=text)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_configuration"
    assert len(error["problems"]) >= len(says)
    assert all(word in error["message"] for word in says)
    assert path.read_bytes() == before
    assert gateway.app.config is config
    assert names(path.parent) == ["config.toml"]


async def test_a17_a_file_that_cannot_be_written_changes_nothing(filed, fake, monkeypatch):
    gateway, path = await filed(settings([endpoint(fake, id="a")], auth=AUTH))
    config = gateway.app.config
    text = path.read_text("utf-8")
    path.unlink()  # there is nothing to keep a copy of
    answer = await admin(gateway, "PUT", "/admin/config", content=text)
    assert answer.status_code == 500
    assert "nothing was changed" in answer.json()["error"]["message"]
    assert gateway.app.config is config
    assert names(path.parent) == []


async def test_a17_a_json_file_stays_json(filed, fake):
    gateway, path = await filed(settings([endpoint(fake, id="a")], auth=AUTH), name="config.json")
    text = tomli_w.dumps(settings([endpoint(fake, id="b")], auth=AUTH))
    assert (await admin(gateway, "PUT", "/admin/config", content=text, headers={"content-type": "text/plain"})).status_code == 200
    assert json.loads(path.read_text("utf-8"))["models"]["fast"][0]["id"] == "b"


async def test_a17_other_media_types_are_415(filed, fake):
    gateway, _ = await filed(settings([endpoint(fake, id="a")], auth=AUTH))
    answer = await admin(gateway, "PUT", "/admin/config", content="a: 1", headers={"content-type": "application/yaml"})
    assert answer.status_code == 415


async def test_a17_reload_by_api_validates_first(filed, fake):
    gateway, path = await filed(settings([endpoint(fake, id="a")], auth=AUTH))
    good = path.read_text("utf-8")
    path.write_text(good + "\n[nonsense]\n", "utf-8")
    answer = await admin(gateway, "POST", "/admin/config/reload")
    assert answer.status_code == 400
    assert "nonsense" in answer.json()["error"]["problems"][0]
    assert (await gateway.ask(headers=CLIENT)).status_code == 200
    path.write_text(good.replace('id = "a"', 'id = "z"') + "\n[server]\nport = 4000\n", "utf-8")
    answer = await admin(gateway, "POST", "/admin/config/reload")
    assert (answer.status_code, answer.json()["needs_restart"]) == (200, ["server.port"])
    assert (await gateway.ask(headers=CLIENT)).headers["x-octoroute-endpoint"] == "z"


async def test_a17_a_gateway_without_a_file_says_so(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    for method, path in (("POST", "/admin/config/reload"), ("PUT", "/admin/config")):
        answer = await admin(gateway, method, path)
        assert answer.status_code == 400
        assert "configuration file" in answer.json()["error"]["message"]


async def test_a17_a_reload_keeps_what_is_known_of_endpoints_that_stay(make_gateway, make_fake):
    sick, moved = await make_fake(), await make_fake()
    sick.always(error(500))
    moved.always(error(401))
    gateway = await make_gateway(
        [endpoint(sick, id="s")], [endpoint(moved, "mid", id="m", api_key="old")], auth=AUTH, retry={"max_attempts": 1}
    )
    for _ in range(2):
        await gateway.ask(model="fast", headers=CLIENT)
    await gateway.ask(model="balanced", headers=CLIENT)
    moved.always(by_wish)
    await gateway.reload(
        settings(
            [endpoint(sick, id="s", weight=2.0)],
            [endpoint(moved, "mid", id="m", api_key="new")],
            auth=AUTH,
            retry={"max_attempts": 1},
        )
    )
    rows = (await admin(gateway, "GET", "/admin/providers")).json()["providers"]["openai"]["endpoints"]
    assert [(row["id"], row["status"], row["failure_count"]) for row in rows] == [("s", "unhealthy", 2), ("m", "healthy", 0)]
    assert (await admin(gateway, "GET", "/admin/stats")).json()["total_requests"] == 3
    assert (await gateway.ask(model="balanced", headers=CLIENT)).status_code == 200


async def test_reload_under_200_concurrent_streams_breaks_none(make_gateway, make_fake):
    old, new = await make_fake("old"), await make_fake("new")
    gate = asyncio.Event()
    words = [f"w{at}" for at in range(20)]
    first, *rest = tokens(words)

    async def held(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(first)
        for at, piece in enumerate(rest):
            if at == 10:
                await gate.wait()
            exchange.chunk(piece)
            await asyncio.sleep(0)
        exchange.write(b"0\r\n\r\n")

    old.always(held)
    gateway = await make_gateway([endpoint(old, id="old")], auth=AUTH)
    running = [asyncio.ensure_future(gateway.streamed(headers=CLIENT)) for _ in range(200)]
    await until(lambda: gateway.metric("octoroute_inflight_requests") == 200, within_s=20)
    for round_ in range(10):
        await gateway.reload(settings([endpoint(new, id="new", weight=1.0 + round_)], auth=AUTH))
    during = [asyncio.ensure_future(gateway.ask(headers=CLIENT)) for _ in range(20)]
    gate.set()
    for answer, data in await asyncio.gather(*running):
        assert (answer.status_code, answer.headers["x-octoroute-endpoint"]) == (200, "old")
        said = frames(data)
        assert said[-1] == "[DONE]"
        assert "".join(frame["choices"][0]["delta"].get("content", "") for frame in said[:-1]).split() == words
    assert {answer.headers["x-octoroute-endpoint"] for answer in await asyncio.gather(*during)} == {"new"}
    told = (await admin(gateway, "GET", "/admin/stats")).json()
    assert (told["successful_requests"], told["failed_requests"], told["abandoned_requests"]) == (220, 0, 0)
    assert gateway.metric("octoroute_inflight_requests") == 0


async def test_a17_sighup_swaps_and_an_invalid_file_is_reported(make_process, make_fake, tmp_path):
    one, two = await make_fake(), await make_fake()
    process = await make_process([endpoint(one, id="a")], auth=AUTH)
    path = tmp_path / "config.toml"
    good = path.read_text("utf-8")
    async with client_of(process.url) as client:
        path.write_text(good + "[nonsense]\n", "utf-8")
        process.signal(signal.SIGHUP)
        line = await process.line("the new configuration is not used, the old one stays")
        assert "nonsense" in line["problems"][0]
        assert (await client.post("/v1/chat/completions", json=question(), headers=CLIENT)).headers["x-octoroute-endpoint"] == "a"
        path.write_text(good.replace(one.url, two.url), "utf-8")
        process.signal(signal.SIGHUP)
        await process.line("configuration reloaded")
        await client.post("/v1/chat/completions", json=question(), headers=CLIENT)
        assert (len(one.requests), len(two.requests)) == (1, 1)
        answer = await client.put("/admin/config", content=good, headers={**ADMIN, "content-type": "application/toml"})
        assert answer.status_code == 200, answer.text
        assert path.read_text("utf-8") == good


def client_of(url):
    return httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False)


async def test_no_answer_holds_a_secret(filed, fake):
    gateway, _ = await secret_house(filed, fake)
    fake.then(error(401, "your key sk-env-secret is wrong"))
    await gateway.ask(headers=CLIENT)
    texts = [(await admin(gateway, method, path)).text for method, path in ROUTES]
    for word in ("sk-plain-secret", "sk-env-secret", "s3cret-team", "another-secret", "the-client-key", "the-admin-key"):
        assert not any(word in text for text in texts), word


async def test_hanging_endpoint_does_not_hold_the_others_up(make_gateway, make_fake):
    """A test of a silent endpoint goes on while requests are answered."""
    silent, good = await make_fake(), await make_fake()
    silent.always(hang)
    gateway = await make_gateway([endpoint(good, id="a")], [endpoint(silent, "mid", id="b")], auth=AUTH, timeouts={"balanced": 1})
    testing = asyncio.ensure_future(admin(gateway, "POST", "/admin/endpoints/b/test"))
    await silent.asked()
    assert (await gateway.ask(model="fast", headers=CLIENT)).status_code == 200
    answer = await testing
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_timeout")


async def test_b5_with_several_workers_a_change_reaches_all_and_a_switch_is_refused(make_process, make_fake, tmp_path):
    one, two = await make_fake(), await make_fake()
    process = await make_process([endpoint(one, id="a")], auth=AUTH, server={"workers": 2})
    text = (tmp_path / "config.toml").read_text("utf-8")
    async with client_of(process.url) as client:
        answer = await client.post("/admin/endpoints/a/disable", headers=ADMIN)
        assert answer.status_code == 400
        assert "workers" in answer.json()["error"]["message"]
        answer = await client.put("/admin/config", content=text.replace(one.url, two.url), headers=ADMIN)
        assert answer.status_code == 200, answer.text
    await process.line("configuration reloaded", count=3)  # the one that was told, and both by the signal
    for _ in range(12):
        async with client_of(process.url) as client:
            assert (await client.post("/v1/chat/completions", json=question(), headers=CLIENT)).status_code == 200
    assert (len(one.requests), len(two.requests)) == (0, 12)
    process.signal(signal.SIGTERM)
    assert (await process.ended())[0] == 0

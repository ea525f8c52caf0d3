"""Which host names and web pages may use a gateway, and what CORS adds to its answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.errors import BadRequest, Forbidden
from octoroute.server.origins import Cors, OriginRules
from tests.support.asgi import row
from tests.support.live_gateway import configured, settings


def rules(*, keys=(), **server) -> OriginRules:
    return OriginRules(configured(settings([row()], server=server, auth={"keys": list(keys)})))


def check(found: OriginRules, *fields: tuple[str, str], version: str = "1.1", scheme: str = "http") -> None:
    scope = {
        "type": "http",
        "http_version": version,
        "scheme": scheme,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields],
    }
    found.check(scope, dict(fields))


# host names


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:3000",
        "localhost.",
        "chat.localhost:1",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]",
        "[::1]:3000",
        "[0:0::1]",
    ],
)
def test_loopback_is_served_under_all_its_names(host):
    check(rules(), ("host", host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "notlocalhost",
        "192.168.1.5",
        "[::2]",
        "0.0.0.0",
        "2130706433",
    ],
)
def test_a_name_that_may_be_rebound_is_refused_with_the_remedy_while_there_are_no_keys(host):
    with pytest.raises(Forbidden, match=r"server\.allowed_hosts"):
        check(rules(), ("host", host))
    check(rules(keys=["k"]), ("host", host))


def test_an_empty_host_is_no_name_of_ours():
    with pytest.raises(Forbidden):
        check(rules(), ("host", ""))


@pytest.mark.parametrize(
    ("bound", "host", "served"),
    [
        ("192.168.1.5", "192.168.1.5:3000", True),
        ("192.168.1.5", "192.168.1.6", False),
        ("::1", "[::1]", True),
        ("fd00::5", "[FD00:0::5]:80", True),
        ("0.0.0.0", "10.9.8.7:3000", True),
        ("::", "[fd00::7]", True),
        ("0.0.0.0", "evil.example", False),
        ("localhost", "10.9.8.7", False),
    ],
)
def test_the_bound_address_is_served_and_every_address_where_all_are_bound(bound, host, served):
    found = rules(host=bound)
    if served:
        check(found, ("host", host))
    else:
        with pytest.raises(Forbidden):
            check(found, ("host", host))


def test_allowed_hosts_are_served_in_any_case_and_with_any_port():
    found = rules(allowed_hosts=["OctoRoute", "gw.corp.example", "::7"])
    for host in ("octoroute:3000", "OCTOROUTE", "gw.corp.example.", "[::7]:1"):
        check(found, ("host", host))
    with pytest.raises(Forbidden):
        check(found, ("host", "corp.example"))
    check(rules(allowed_hosts=["*"]), ("host", "anything.example"))


@pytest.mark.parametrize("keys", [(), ("k",)])
@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "[::1", "a:b", "http://a", "[::1]x", "ä", "a:80:80"])
def test_nonsense_is_a_bad_request_with_and_without_keys(host, keys):
    with pytest.raises(BadRequest, match="Host"):
        check(rules(keys=keys), ("host", host))


@pytest.mark.parametrize("keys", [(), ("k",)])
def test_http_1_1_has_exactly_one_host(keys):
    with pytest.raises(BadRequest, match="missing"):
        check(rules(keys=keys), ("accept", "*/*"))
    check(rules(keys=keys), ("accept", "*/*"), version="1.0")
    with pytest.raises(BadRequest, match="two Host"):
        check(rules(keys=keys), ("host", "localhost"), ("host", "localhost"))


def test_what_was_found_valid_is_kept_and_stays_bounded():
    found = rules(keys=["k"])
    for number in range(1000):
        check(found, ("host", f"host-{number}"))
    assert len(found._known) == 64
    with pytest.raises(BadRequest):
        check(found, ("host", "host-1"), ("host", "host-1"))


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["host", "origin", "sec-fetch-site", "transfer-encoding", "accept"]),
        st.one_of(
            st.text(st.characters(max_codepoint=255), max_size=40), st.sampled_from(["localhost", "[::1]:3000", "http://localhost"])
        ),
    ),
    max_size=6,
)


@given(HEADERS, st.booleans())
def test_whatever_a_client_sends_is_served_or_refused_in_words(fields, locked):
    try:
        check(rules(keys=["k"] if locked else []), *fields)
    except (BadRequest, Forbidden) as error:
        assert error.message
    else:
        hosts = [value for name, value in fields if name == "host"]
        assert len(hosts) == 1
        assert locked or hosts[0].lower().strip("[]").split("]")[0].split(":3")[0].endswith(("localhost", "::1"))


# transfer codings


def test_only_chunked_is_decoded():
    check(rules(), ("host", "localhost"), ("transfer-encoding", "Chunked"))
    for coding in ("gzip, chunked", "identity", "chunked, chunked", "x"):
        with pytest.raises(BadRequest, match="only chunked"):
            check(rules(keys=["k"]), ("host", "localhost"), ("transfer-encoding", coding))


# pages

SELF = ("host", "localhost:3000")


@pytest.mark.parametrize(
    "fields",
    [
        [("origin", "https://evil.example")],
        [("origin", "http://localhost:8080")],
        [("origin", "http://localhost")],
        [("origin", "https://localhost:3000")],
        [("origin", "null")],
        [("origin", "")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "nonsense")],
        [("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        [("origin", "http://localhost:3000"), ("sec-fetch-site", "cross-site")],
    ],
)
def test_a_page_of_another_site_is_refused_while_there_are_no_keys(fields):
    with pytest.raises(Forbidden, match=r"server\.cors_origins"):
        check(rules(), SELF, *fields)
    check(rules(keys=["k"]), SELF, *fields)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("sec-fetch-site", "none")],
        [("sec-fetch-site", "same-origin")],
        [("origin", "http://localhost:3000")],
        [("origin", "http://LOCALHOST:3000"), ("sec-fetch-site", "same-origin")],
        [("origin", "https://localhost:3000"), ("sec-fetch-site", "same-origin")],
    ],
)
def test_our_own_pages_and_the_user_are_served(fields):
    check(rules(), SELF, *fields)


def test_listed_pages_are_served_and_no_others():
    found = rules(cors_origins=["https://Chat.example.com", "app://obsidian.md"])
    check(found, SELF, ("origin", "https://chat.example.com"), ("sec-fetch-site", "cross-site"))
    check(found, SELF, ("origin", "app://obsidian.md"))
    for origin in ("http://chat.example.com", "https://chat.example.com:444", "https://chat.example.com.evil.example"):
        with pytest.raises(Forbidden):
            check(found, SELF, ("origin", origin))


def test_a_star_lets_every_page_in_but_no_rebound_name():
    found = rules(cors_origins=["*"])
    check(found, SELF, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"))
    check(found, SELF, ("sec-fetch-site", "cross-site"))
    with pytest.raises(Forbidden):
        check(found, ("host", "evil.example"), ("origin", "https://evil.example"))


def test_the_text_of_a_refusal_is_bounded():
    with pytest.raises(Forbidden) as refused:
        check(rules(), ("host", "a" * 10_000))
    assert len(refused.value.message) < 400
    with pytest.raises(Forbidden) as refused:
        check(rules(), SELF, ("origin", "a" * 10_000))
    assert len(refused.value.message) < 400


# CORS


async def through(cors_origins, method: str = "POST", status: int = 200, **fields: str):
    reached = []

    async def inner(scope, receive, send):
        reached.append(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"x-octoroute-tier", b"fast"), (b"Retry-After", b"1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"x"})

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    scope = {"type": "http", "method": method, "path": "/v1/models", "headers": headers}
    await Cors(tuple(cors_origins), inner)(scope, None, send)
    found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return bool(reached), sent[0]["status"], dict(found)


LISTED = ["https://chat.example.com"]


async def test_a_preflight_is_answered_before_anything_is_looked_at():
    reached, status, headers = await through(
        LISTED,
        "OPTIONS",
        origin="https://chat.example.com",
        access_control_request_method="POST",
        access_control_request_headers="authorization,content-type,x-stainless-os",
    )
    assert (reached, status) == (False, 204)
    assert headers["access-control-allow-origin"] == "https://chat.example.com"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-allow-headers"] == "authorization,content-type,x-stainless-os"
    assert {"POST", "GET", "DELETE"} <= set(headers["access-control-allow-methods"].split(", "))
    assert int(headers["access-control-max-age"]) > 0
    assert headers["vary"] == "origin"
    assert "access-control-allow-private-network" not in headers


async def test_a_public_page_may_ask_for_a_private_address():
    _, _, headers = await through(
        LISTED,
        "OPTIONS",
        origin=LISTED[0],
        access_control_request_method="POST",
        access_control_request_private_network="true",
    )
    assert headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-headers" not in headers


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_every_answer_may_be_read_with_all_its_headers(status):
    reached, answered, headers = await through(LISTED, status=status, origin="https://chat.example.com")
    assert (reached, answered) == (True, status)
    assert headers["access-control-allow-origin"] == "https://chat.example.com"
    assert headers["access-control-expose-headers"] == "x-octoroute-tier, retry-after"


async def test_a_star_is_for_everybody_and_without_credentials():
    _, _, headers = await through(["*"], origin="https://any.example")
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert "vary" not in headers


@pytest.mark.parametrize("fields", [{}, {"origin": "https://evil.example"}, {"origin": "null"}])
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
async def test_other_pages_get_no_word_of_cors(method, fields):
    reached, _, headers = await through(LISTED, method, access_control_request_method="POST", **fields)
    assert reached
    assert not [name for name in headers if name.startswith("access-control")]


async def test_options_that_is_no_preflight_goes_on():
    reached, _, headers = await through(LISTED, "OPTIONS", origin=LISTED[0])
    assert reached
    assert headers["access-control-allow-origin"] == LISTED[0]

"""Tokens of an OpenID Connect issuer as keys: what is let in, and everything that is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from octoroute.access.tokens import key_set
from tests.support.issuer import FakeIssuer, b64, config, private_key, public_jwk, signed
from tests.support.live_gateway import endpoint

ROLES = {"role_claim": "realm.roles", "roles": {"gw-admins": "admin", "gw-viewers": "viewer"}}


@pytest.fixture
async def issuer():
    async with FakeIssuer("one", "ec-one", "ed-one", "short") as found:
        yield found


@pytest.fixture
async def gateway(make_gateway, fake, issuer):
    return await make_gateway(
        [endpoint(fake, id="a")], auth={"jwt": config(issuer, **ROLES), "clients": [{"name": "team", "key": "key-of-team"}]}
    )


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("key", ["one", "ec-one", "ed-one"])
async def test_a_token_of_the_issuer_is_a_client(gateway, issuer, key):
    for headers in (bearer(issuer.token(key)), {"x-api-key": issuer.token(key)}, bearer(issuer.token(key, header={"kid": None}))):
        assert (await gateway.ask(headers=headers)).status_code == 200
    assert (await gateway.get("/v1/models", headers=bearer(issuer.token(key)))).status_code == 200
    assert "providers" in (await gateway.get("/health", headers=bearer(issuer.token(key, jti="x")))).json()
    assert (await gateway.ask()).status_code == 401
    assert (await gateway.ask(headers={"x-api-key": "key-of-team"})).status_code == 200
    assert issuer.served == ["/realm/.well-known/openid-configuration", "/realm/keys"]


def attacks(issuer: FakeIssuer) -> dict[str, str]:
    """Tokens that must not be let in, by what is wrong with them. Their claims are an administrator's."""
    claims = issuer.claims(realm={"roles": ["gw-admins"]})
    now = int(time.time())
    good = issuer.token("one", realm={"roles": ["gw-admins"]})
    head, body, signature = good.split(".")
    pem = private_key("one").public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    n = public_jwk("one")["n"].encode()

    def header(**members: object) -> dict[str, object]:
        return {"typ": "JWT", "alg": "RS256", "kid": "one", **members}

    def hmac_with(secret: bytes, algorithm: str = "HS256") -> str:
        text = f"{b64(json.dumps(header(alg=algorithm)).encode())}.{body}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    def unsigned(algorithm: str, tail: str = "") -> str:
        return f"{b64(json.dumps(header(alg=algorithm)).encode())}.{body}.{tail}"

    def psychic(tail: bytes) -> str:
        return f"{b64(json.dumps(header(alg='ES256', kid='ec-one')).encode())}.{body}.{b64(tail)}"

    def claimed(**changes: object) -> str:
        return signed(header(), {name: value for name, value in {**claims, **changes}.items() if value is not None}, "one")

    other = {"jwk": public_jwk("stranger"), "x5c": ["MIIB"]}
    twice = json.dumps(claims)[:-1] + ', "sub": "root"}'
    found = {f"alg {name!r}": unsigned(name) for name in ("none", "None", "NONE", "nOnE", "", "RS256")}
    found |= {f"alg none, signed {tail!r}": unsigned("none", tail) for tail in (signature, "AA", "e30")}
    found |= {
        "hmac, PEM": hmac_with(pem), "hmac, PEM stripped": hmac_with(pem.strip()), "hmac, modulus": hmac_with(n),
        "hmac, empty": hmac_with(b""), "hmac said to be RS256": hmac_with(pem, "RS256"), "hmac 512": hmac_with(pem, "HS512"),
        "alg no text": signed(header(alg=["RS256"]), claims, "one"), "alg missing": signed({"kid": "one"}, claims, "one"),
        "alg not allowed": signed(header(alg="RS512"), claims, "one", "RS512"), "alg of another key": signed(header(alg="ES256"), claims, "one"),
        "RSA key for ECDSA": signed(header(alg="ES256", kid="one"), claims, "ec-one"), "lower case": signed(header(alg="rs256"), claims, "one"),
        "expired": claimed(exp=now - 61), "expired long ago": claimed(exp=1), "never expires": claimed(exp=None),
        "exp is a text": claimed(exp=str(now + 600)), "exp is true": claimed(exp=True), "exp is negative": claimed(exp=-1),
        "exp is huge": claimed(exp=1e300), "exp has 5000 digits": signed(header(), json.dumps(claims).replace(str(claims["exp"]), "9" * 5000).encode(), "one"),
        "exp is infinite": signed(header(), json.dumps(claims).replace(str(claims["exp"]), "Infinity").encode(), "one"),
        "exp is NaN": signed(header(), json.dumps(claims).replace(str(claims["exp"]), "NaN").encode(), "one"),
        "exp is a list": claimed(exp=[now + 600]), "nbf in the future": claimed(nbf=now + 120), "iat in the future": claimed(iat=now + 120),
        "nbf is a text": claimed(nbf="0"), "other audience": claimed(aud="other"), "no audience": claimed(aud=None), "empty audience": claimed(aud=[]),
        "audience of parts": claimed(aud=["octo", "route"]), "audience is an object": claimed(aud={"octoroute": 1}), "audience prefix": claimed(aud="octoroute2"),
        "other issuer": claimed(iss="https://evil.example"), "issuer with a slash": claimed(iss=issuer.url + "/"), "issuer in upper case": claimed(iss=issuer.url.upper()),
        "no issuer": claimed(iss=None), "issuer is a list": claimed(iss=[issuer.url]),
        "no name": claimed(sub=None), "name is a number": claimed(sub=7), "name is blank": claimed(sub=" "), "name has a line break": claimed(sub="a\nb"),
        "name is long": claimed(sub="a" * 129), "name is a key's": claimed(sub="team"),
        "crit": signed(header(crit=["exp"]), claims, "one"), "crit empty": signed(header(crit=[]), claims, "one"), "crit b64": signed(header(crit=["b64"], b64=False), claims, "one"),
        "b64": signed(header(b64=False), claims, "one"), "zip": signed(header(zip="DEF"), claims, "one"),
        "typ of a logout token": signed(header(typ="logout+jwt"), claims, "one"), "typ of a proof": signed(header(typ="dpop+jwt"), claims, "one"), "typ no text": signed(header(typ=1), claims, "one"),
        "jwk": signed(header(kid="stranger", **other), claims, "stranger"), "jwk, kid of another": signed(header(**other), claims, "stranger"),
        "jwk, no kid": signed({"alg": "RS256", "jwk": public_jwk("stranger")}, claims, "stranger"),
        "jku": signed(header(kid="stranger", jku=f"{issuer.url}/evil"), claims, "stranger"), "x5u": signed(header(x5u=f"{issuer.url}/evil"), claims, "stranger"),
        "kid is a path": signed(header(kid="../../../dev/null"), claims, "one"), "kid is a URL": signed(header(kid=f"{issuer.url}/evil"), claims, "stranger"),
        "kid is SQL": signed(header(kid="' OR '1'='1"), claims, "one"), "kid is empty": signed(header(kid=""), claims, "one"), "kid is a list": signed(header(kid=["one"]), claims, "one"),
        "kid is huge": signed(header(kid="k" * 9000), claims, "one"), "unknown kid": signed(header(kid="two"), claims, "two"), "key is too short": issuer.token("short"),
        "claim twice": signed(header(), twice.encode(), "one"), "header member twice": signed(b'{"alg":"none","alg":"RS256","kid":"one"}', claims, "one"),
        "claims are a list": signed(header(), b"[]", "one"), "claims are no JSON": signed(header(), b"{", "one"), "claims are not UTF-8": signed(header(), b'{"sub":"\xff"}', "one"),
        "claims are deep": signed(header(), b"[" * 5000 + b"]" * 5000, "one"), "huge": claimed(pad="x" * 13_000),
        "no signature": f"{head}.{body}.", "two parts": f"{head}.{body}", "four parts": f"{good}.e30", "signature of another": f"{head}.{body}.{issuer.token('one').split('.')[2]}",
        "claims of another": f"{head}.{b64(json.dumps({**claims, 'sub': 'root'}).encode())}.{signature}", "signature cut": good[:-4], "signature longer": good + "AAAA",
        "signature in upper case": f"{head}.{body}.{signature.swapcase()}", "padded": good + "==", "not canonical": f"{good[:-1]}{chr(ord(good[-1]) + 1)}",
        "line break": f"{head}.{body}.{signature[:9]} {signature[9:]}", "standard base64": f"{head}.{body}.{'+/' * 171}",
        "psychic": psychic(bytes(64)), "psychic, one": psychic(bytes(31) + b"\1" + bytes(31) + b"\1"), "psychic, order": psychic(ORDER * 2), "psychic, DER": psychic(bytes.fromhex("3006020100020100")),
        "encrypted": "eyJhbGciOiJkaXIifQ.." + "AAAA.AAAA.AAAA",
    }  # fmt: skip
    return found


ORDER = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")


async def test_none_of_the_attacks_is_let_in_and_none_is_told_its_token(gateway, issuer, fake):
    issuer.answers["/realm/evil"] = {"keys": [public_jwk("stranger")]}
    let_in: list[str] = []
    for name, token in attacks(issuer).items():
        for headers in (bearer(token), {"x-api-key": token}):
            answers = [await gateway.get("/admin/config", headers=headers), await gateway.ask(headers=headers)]
            if [answer.status_code for answer in answers] != [401, 401] or token in answers[1].text:
                let_in.append(f"{name}: {[(answer.status_code, answer.text[:90]) for answer in answers]}")
    assert let_in == []
    assert not [request for request in fake.requests if request.body]
    assert "/realm/evil" not in issuer.served
    assert issuer.served.count("/realm/keys") <= 2  # invented key ids cause no load


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"exp": 5}, "it has expired"),
        ({"aud": "x"}, "for another audience"),
        ({"iss": "https://x"}, "its issuer is not one"),
        ({"nbf": 99_999_999_999}, "not valid yet"),
    ],
)
async def test_the_reason_is_named_in_the_callers_dialect(gateway, issuer, change, said):
    headers = bearer(issuer.token(**change))
    openai = await gateway.ask(headers=headers)
    anthropic = await gateway.ask({"model": "auto", "max_tokens": 9, "messages": []}, "/v1/messages", headers=headers)
    assert openai.json()["error"]["code"] == "invalid_api_key"
    assert anthropic.json()["type"] == "error"
    for answer in (openai, anthropic):
        assert said in answer.text
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_tokens_that_differ_in_one_character_are_different_clients(gateway, issuer):
    """CVE-2026-35030: a cache that takes a part of the token, or a short digest, for the token gives one client the other's role."""
    admin = issuer.token(realm={"roles": ["gw-admins"]})
    assert (await gateway.get("/admin/config", headers=bearer(admin))).status_code == 200
    for at in (*range(0, len(admin), 29), len(admin) - 1):
        if admin[at] != ".":
            forged = admin[:at] + ("A" if admin[at] != "A" else "B") + admin[at + 1 :]
            assert (await gateway.get("/admin/config", headers=bearer(forged))).status_code == 401, at
    assert (await gateway.get("/admin/config", headers=bearer(issuer.token(realm={"roles": []})))).status_code == 403


async def test_roles_come_from_the_claim(gateway, issuer):
    def with_roles(*roles: str) -> dict[str, str]:
        return bearer(issuer.token(realm={"roles": list(roles)}))

    assert (await gateway.get("/admin/stats", headers=with_roles("gw-viewers", "x"))).status_code == 200
    assert (await gateway.ask(headers=with_roles("gw-viewers"))).status_code == 403
    assert (await gateway.get("/admin/config", headers=with_roles("gw-viewers", "gw-admins"))).status_code == 200
    assert (await gateway.get("/admin/stats", headers=with_roles("admin"))).status_code == 403  # not a value of the table


async def test_a_token_has_the_restrictions_and_limits_of_its_issuer(make_gateway, fake, issuer):
    jwt_table = config(issuer, tiers=["fast"], regions=["eu"], requests_per_minute=3)
    gateway = await make_gateway([endpoint(fake, "m", id="a", region="eu")], [endpoint(fake, "b", id="b")], auth={"jwt": jwt_table})
    ann, bob = bearer(issuer.token()), bearer(issuer.token(sub="bob"))
    assert (await gateway.ask(headers=ann, model="b")).status_code == 403
    assert [entry["id"] for entry in (await gateway.get("/v1/models", headers=ann)).json()["data"]] == ["auto", "fast", "m"]
    assert [(await gateway.ask(headers=ann, model="m")).status_code for _ in range(2)] == [200, 200]
    limited = await gateway.ask(headers=bearer(issuer.token(jti="another token of ann")), model="m")
    assert limited.status_code == 429
    assert (await gateway.ask(headers=bob, model="m")).status_code == 200


async def test_keys_rotate_and_the_issuer_may_be_down(make_gateway, fake, issuer, monkeypatch):
    monkeypatch.setattr(key_set, "MIN_INTERVAL_S", 0.0)
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"jwt": config(issuer)})
    first = bearer(issuer.token("one", jti="1"))
    assert (await gateway.ask(headers=first)).status_code == 200
    issuer.names = ["two"]
    assert (await gateway.ask(headers=bearer(issuer.token("two")))).status_code == 200
    assert (await gateway.ask(headers=bearer(issuer.token("one", jti="2")))).status_code == 401
    assert (await gateway.ask(headers=first)).status_code == 200  # verified before, until it expires
    issuer.is_down = True
    assert (await gateway.ask(headers=bearer(issuer.token("two", jti="3")))).status_code == 200
    gateway.app.reload(gateway.app.config)
    assert (await gateway.ask(headers=bearer(issuer.token("two", jti="4")))).status_code == 200


async def test_all_who_wait_share_one_fetch_and_an_issuer_that_was_never_reached_is_said(make_gateway, fake, issuer, monkeypatch):
    monkeypatch.setattr(key_set, "WAIT_S", 0.2)
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"jwt": config(issuer), "keys": ["k"]})
    issuer.hangs = True
    answers = await asyncio.gather(*(gateway.ask(headers=bearer(issuer.token(jti=str(at)))) for at in range(20)))
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["error"]["code"] == "identity_unavailable"
    assert "retry-after" in answers[0].headers
    assert len(issuer.served) == 1
    assert (await gateway.ask(headers={"x-api-key": "k"})).status_code == 200


async def test_what_a_caller_stores_is_its_own_for_each_of_its_tokens(gateway, issuer):
    made = await gateway.ask({"model": "auto", "input": "hi"}, "/v1/responses", headers=bearer(issuer.token(jti="1")))
    path = f"/v1/responses/{made.json()['id']}"
    for token, status in ((issuer.token(jti="2"), 200), (issuer.token(sub="eve"), 404)):
        assert (await gateway.get(path, headers=bearer(token))).status_code == status


async def test_a_pasted_token_signs_in_until_it_expires_or_the_settings_change(gateway, issuer):
    token = issuer.token(realm={"roles": ["gw-admins"]})
    answer = await gateway.client.post("/login", json={"key": token})
    assert (answer.status_code, answer.json()["name"]) == (200, "ann")
    assert int(answer.headers["set-cookie"].partition("Max-Age=")[2].partition(";")[0]) <= 660
    cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert token.split(".")[2] not in cookie["cookie"]
    assert (await gateway.get("/admin/config", headers=cookie)).status_code == 200
    assert (await gateway.ask(headers=cookie)).status_code == 401


async def test_a_token_made_by_another_library_is_let_in(gateway, issuer):
    token = jwt.encode(issuer.claims(), private_key("one"), "RS256", headers={"kid": "one"})
    assert (await gateway.ask(headers=bearer(token))).status_code == 200
    payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert payload["sub"] == "ann"


async def test_the_name_of_the_caller_and_never_its_token_is_in_the_audit_log(make_gateway, fake, issuer, tmp_path):
    file = tmp_path / "audit.ndjson"
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"jwt": config(issuer)}, audit={"file": str(file)})
    good, bad = issuer.token(), issuer.token(aud="other")
    assert (await gateway.get("/admin/stats", headers=bearer(good))).status_code == 403
    assert (await gateway.ask(headers=bearer(bad))).status_code == 401
    await gateway.app._rules.audit.close()
    text = file.read_text()
    assert [json.loads(line)["actor"] for line in text.splitlines()] == ["ann", ""]
    assert good.split(".")[2] not in text
    assert bad.split(".")[1] not in text

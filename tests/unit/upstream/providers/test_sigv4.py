"""AWS's published vectors: the signature test suite, and the worked example of the user guide; then properties against botocore."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import Secret, SigningKey
from octoroute.upstream.providers.sigv4 import sign

KEY = SigningKey(id="AKIDEXAMPLE", secret=Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
ROOT = "https://example.amazonaws.com"
VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
UNRESERVED = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def signed(method="GET", path="/", headers=(), body=b"", service="service", root=ROOT, key=KEY) -> dict[str, str]:
    found = sign(key, region="us-east-1", service=service, method=method, url=root + path, headers=headers, body=body, now=NOW)
    return dict(found)


@pytest.mark.parametrize(
    ("name", "signature", "request_"),
    [
        ("get-vanilla", VANILLA, {}),
        ("get-relative", VANILLA, {"path": "/example/.."}),
        ("get-relative-relative", VANILLA, {"path": "/example1/example2/../.."}),
        ("get-slash", VANILLA, {"path": "//"}),
        ("get-slash-dot-slash", VANILLA, {"path": "/./"}),
        ("get-slash-pointless-dot", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5", {"path": "/./example"}),
        ("get-slashes", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84", {"path": "//example//"}),
        ("get-space", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741", {"path": "/example space/"}),
        ("get-unreserved", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f", {"path": UNRESERVED}),
        ("get-utf8", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", {"path": "/ሴ"}),
        (
            "get-vanilla-query-order-key-case",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            {"path": "/?Param2=value2&Param1=value1"},
        ),
        ("get-vanilla-utf8-query", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04", {"path": "/?ሴ=bar"}),
        (
            "get-header-value-trim",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            {"headers": (("My-Header1", " value1"), ("My-Header2", ' "a   b   c"'))},
        ),
        ("post-vanilla", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", {"method": "POST"}),
        (
            "post-header-key-sort",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            {"method": "POST", "headers": (("My-Header1", "value1"),)},
        ),
        (
            "post-x-www-form-urlencoded",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            {"method": "POST", "headers": (FORM,), "body": b"Param1=value1"},
        ),
        (
            "the user guide's ListUsers",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            {
                "root": "https://iam.amazonaws.com",
                "path": "/?Action=ListUsers&Version=2010-05-08",
                "headers": ((FORM[0], FORM[1] + "; charset=utf-8"),),
                "service": "iam",
            },
        ),
    ],
)
def test_published_vectors(name, signature, request_):
    added = signed(**request_)
    assert added["x-amz-date"] == "20150830T123600Z"
    assert added["authorization"].endswith(f"Signature={signature}"), name


def test_the_authorization_names_key_scope_and_headers():
    scope = "20150830/us-east-1/service/aws4_request"
    assert signed()["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders=host;x-amz-date, Signature={VANILLA}"
    )


def test_a_session_token_is_sent_and_signed():
    key = SigningKey(id=KEY.id, secret=KEY.secret, session_token=Secret("the-token"))
    added = signed(key=key)
    assert added["x-amz-security-token"] == "the-token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in added["authorization"]


def test_headers_that_change_on_the_way_are_not_signed():
    changing = (("User-Agent", "x"), ("Connection", "close"), ("X-Amzn-Trace-Id", "1"), ("X-Amz-Date", "19700101T000000Z"))
    assert signed(headers=changing)["authorization"] == signed()["authorization"]


SEGMENT = st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters="?#/\\"), min_size=1, max_size=12)


@given(
    segments=st.lists(SEGMENT.filter(lambda text: text not in {".", ".."}), max_size=4),
    headers=st.dictionaries(st.sampled_from(["content-type", "x-team", "x-amz-target"]), st.text("ab c", max_size=9), max_size=3),
    body=st.binary(max_size=50),
    secret=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40),
    token=st.none() | st.just("t/o+k=en"),
)
def test_botocore_signs_alike(segments, headers, body, secret, token):
    pytest.importorskip("botocore", reason="the e2e group is not installed")
    from urllib.parse import quote

    from tests.support.vendors.aws import signature_problem

    key = SigningKey(id="AKID", secret=Secret(secret), session_token=Secret(token) if token else None)
    url = "https://bedrock-runtime.us-west-2.amazonaws.com/" + "/".join(quote(segment, safe="") for segment in segments)
    given_headers = tuple(headers.items())
    added = dict(
        sign(key, region="us-west-2", service="bedrock", method="POST", url=url, headers=given_headers, body=body, now=NOW)
    )
    judged = {"key": "AKID", "secret": secret, "region": "us-west-2", "token": token}
    sent = {**headers, **added, "host": "bedrock-runtime.us-west-2.amazonaws.com"}
    assert signature_problem("POST", url, sent, body, **judged) is None
    assert signature_problem("POST", url, sent, body + b"x", **judged) is not None

"""Bedrock's addresses, and who signs with what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from octoroute.domain.endpoint import Secret, SigningKey
from octoroute.upstream.providers.bedrock import Bedrock, region_of
from tests.support.spine import make_endpoint

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BEDROCK = Bedrock(lambda: NOW)
KEY = SigningKey(id="AKID", secret=Secret("secret-key"))
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1"


def endpoint(**more):
    return make_endpoint("e", **{"kind": "bedrock", "base_url": "https://bedrock-runtime.us-east-1.amazonaws.com", **more})


def sign(at, **more):
    call = {"method": "POST", "url": at.base_url + "/model/m/converse", "headers": (), "body": b"{}", **more}
    return dict(BEDROCK.sign(at, **call))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("amazon.nova-pro-v1:0", "amazon.nova-pro-v1%3A0"),
        (ARN, "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-opus-4-6-v1"),
    ],
)
def test_addresses(model, path):
    at = endpoint(model=model)
    assert BEDROCK.url(at, "chat", stream=False) == f"{at.base_url}/model/{path}/converse"
    assert BEDROCK.url(at, "chat", stream=True) == f"{at.base_url}/model/{path}/converse-stream"
    assert BEDROCK.url(at, "embeddings", stream=False) is None


@pytest.mark.parametrize(
    ("host", "setting", "region"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", "", "eu-central-1"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "eu", "eu-central-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "", "cn-north-1"),
        ("bedrock-runtime.us-east-2.api.aws", "", "us-east-2"),
        ("vpce-0a1b.bedrock-runtime.us-west-2.vpce.amazonaws.com", "", "us-west-2"),
        ("proxy.example.com", "ap-south-1", "ap-south-1"),
        ("127.0.0.1:8080", "", ""),
    ],
)
def test_the_region_is_that_of_the_host_or_the_configured_one(host, setting, region):
    assert region_of(endpoint(base_url=f"https://{host}", region=setting)) == region


def test_a_request_is_signed_for_the_region_and_the_hour():
    added = sign(endpoint(signing_key=KEY))
    assert added["x-amz-date"] == "20260102T030405Z"
    assert "Credential=AKID/20260102/us-east-1/bedrock/aws4_request" in added["authorization"]
    assert "secret-key" not in str(added)


def test_the_signed_host_is_the_one_that_is_sent():
    at = endpoint(signing_key=KEY)
    assert sign(endpoint(signing_key=KEY, host="other.example.com"))["authorization"] != sign(at)["authorization"]


def test_an_api_key_is_a_bearer_token_and_goes_before_the_signature():
    at = endpoint(signing_key=KEY, api_key=Secret("bedrock-api-key"))
    assert sign(at) == {"authorization": "Bearer bedrock-api-key"}


def test_a_configured_authorization_is_left_alone_and_without_a_key_nothing_is_added():
    assert sign(endpoint(signing_key=KEY), headers=(("Authorization", "Bearer by hand"),)) == {}
    assert sign(endpoint()) == {}


def test_headers_are_json_and_the_configured_ones():
    assert BEDROCK.headers(endpoint(headers=(("x-team", "a"),))) == (("content-type", "application/json"), ("x-team", "a"))
    assert BEDROCK.headers(endpoint(headers=(("Content-Type", "a/b"),))) == (("Content-Type", "a/b"),)


def test_a_region_is_missing_only_where_a_signature_needs_one():
    proxied = {"base_url": "https://proxy.example.com"}
    problem = BEDROCK.problem(endpoint(signing_key=KEY, **proxied))
    assert problem is not None
    assert problem[0] == "region"
    assert BEDROCK.problem(endpoint(signing_key=KEY, region="us-east-1", **proxied)) is None
    assert BEDROCK.problem(endpoint(api_key=Secret("k"), **proxied)) is None
    assert BEDROCK.problem(endpoint(signing_key=KEY)) is None

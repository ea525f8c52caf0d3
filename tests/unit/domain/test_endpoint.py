"""Secrets that do not print, and endpoints that fail together."""

import pytest

from octoroute.domain.endpoint import Endpoint, Secret, Tier, failure_domain


def endpoint(**fields) -> Endpoint:
    given = {"id": "a", "name": "m", "tier": Tier.FAST, "kind": "openai", "provider": "p", "base_url": "http://h/v1", "model": "m"}
    return Endpoint(**{**given, **fields})


def test_a_secret_prints_as_stars_wherever_it_is_printed():
    secret = Secret("sk-very-secret")
    printed = (str(secret), repr(secret), f"{secret}", f"{secret!r}", repr([secret]), repr(endpoint(api_key=secret)))
    for text in printed:
        assert "sk-very-secret" not in text
        assert "***" in text
    assert secret.reveal() == "sk-very-secret"


@pytest.mark.parametrize("text", ["sk-1", "", "schlüssel"])
def test_a_secret_matches_its_own_text_only(text):
    assert Secret(text).matches(text)
    assert not Secret(text).matches(text + "x")


def test_a_secret_that_does_not_match_can_hold_any_bytes():
    assert not Secret("sk-1").matches("sk-1\udcff")


def test_secrets_are_equal_by_text_and_never_equal_to_the_text():
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) != hash("a")


def test_models_of_one_provider_at_one_address_with_one_key_fail_together():
    one = endpoint(api_key=Secret("k"))
    other = endpoint(id="b", name="n", model="n", tier=Tier.DEEP, priority=7, api_key=Secret("k"))
    assert failure_domain(one) == failure_domain(other)
    assert hash(failure_domain(one)) == hash(failure_domain(other))


@pytest.mark.parametrize(
    "change", [{"provider": "q"}, {"base_url": "http://other/v1"}, {"api_key": Secret("l")}, {"api_key": None}]
)
def test_another_provider_address_or_key_fails_alone(change):
    given = {"api_key": Secret("k")}
    assert failure_domain(endpoint(**given)) != failure_domain(endpoint(**{**given, **change}))

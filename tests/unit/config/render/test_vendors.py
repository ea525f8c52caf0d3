"""Which of a vendor's models suits which tier."""

import re
from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.config.render.starter import VendorKey, keys_in, starter
from octoroute.config.render.vendors import VENDORS
from octoroute.config.schema import Names

BY_NAME = {vendor.name: vendor for vendor in VENDORS}


def test_the_newest_of_each_family_is_used():
    listed = (
        "claude-opus-4-8", "claude-haiku-4-5-20251001", "claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-sonnet-4-6",
    )  # fmt: skip
    assert BY_NAME["anthropic"].choose(listed) == ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")


def test_other_kinds_of_models_are_left_alone():
    listed = (
        "gpt-5.2",
        "gpt-5.2-nano",
        "gpt-5.2-mini",
        "gpt-realtime-2",
        "gpt-4o-audio-preview",
        "gpt-4.1",
        "text-embedding-3-small",
    )
    assert BY_NAME["openai"].choose(listed) == ("gpt-5.2-nano", "gpt-5.2-mini", "gpt-5.2")


def test_a_family_that_the_key_may_not_use_is_left_out():
    assert BY_NAME["mistral"].choose(("mistral-small-latest",)) == ("mistral-small-latest", None, None)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_without_a_list_the_known_models_are_used(vendor):
    assert vendor.choose(()) == vendor.models
    assert len(vendor.models) == len(vendor.families)
    for model, family in zip(vendor.models, vendor.families, strict=True):
        assert re.fullmatch(family, model), model


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_key_makes_a_configuration_that_loads(vendor):
    env = {vendor.variables[0]: "k3y", "AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com"}
    keys = [key for key in keys_in(env) if key.vendor is vendor]
    assert keys == [VendorKey(vendor, vendor.variables[0])]
    text = starter([], keys, Names())
    if not vendor.models:
        assert text is None
        return
    assert "k3y" not in text
    config = loads(text, Path("c.toml"), env)
    assert {endpoint.name for endpoint in config.endpoints} == set(vendor.models)
    assert {endpoint.api_key.reveal() for endpoint in config.endpoints} == {"k3y"}
    assert {endpoint.provider for endpoint in config.endpoints} == {vendor.name}


def test_all_keys_at_once_load_too():
    env = {vendor.variables[0]: "k" for vendor in VENDORS} | {"AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com"}
    config = loads(starter([], keys_in(env), Names()), Path("c.toml"), env)
    assert {endpoint.provider for endpoint in config.endpoints} == {vendor.name for vendor in VENDORS if vendor.models}

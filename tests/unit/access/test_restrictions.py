"""Which endpoints a restriction leaves, and the reason for each of the others."""

from __future__ import annotations

from typing import Any

import pytest

from octoroute.access.restrictions import exclusion, in_region, names_match, with_privacy
from octoroute.domain.endpoint import Tier
from octoroute.domain.principal import Restrictions
from tests.support.spine import make_endpoint


@pytest.mark.parametrize(
    ("own", "region", "inside"),
    [
        ("eu", "eu", True),
        ("eu-west-1", "eu", True),
        ("EU-West-1", "eu", True),
        ("europe", "eu", False),
        ("us", "eu", False),
        ("eu", "eu-west-1", False),
        ("", "eu", False),
    ],
)
def test_a_region_includes_its_parts_and_no_region_is_in_none(own, region, inside):
    assert in_region(make_endpoint("a", region=own), region) is inside


@pytest.mark.parametrize(
    ("restrictions", "reason"),
    [
        ({"privacy": frozenset({"eu"})}, "outside the privacy class 'eu': it has the region 'us-east-1'"),
        ({"regions": frozenset({"eu", "ch"})}, "the key's regions are ch, eu: it has the region 'us-east-1'"),
        ({"tiers": frozenset({"fast"})}, "the key's tiers are fast"),
        ({"providers": frozenset({"mistral"})}, "the key's providers are mistral"),
        ({"models": ("b", "mistral/*")}, "the key's models do not include it"),
        ({"privacy": frozenset({"us"})}, None),
        ({"privacy": frozenset({"us", "eu"})}, "outside the privacy class 'eu': it has the region 'us-east-1'"),
        ({"regions": frozenset({"us"})}, None),
        ({"tiers": frozenset({"deep"})}, None),
        ({"models": ("a",)}, None),
        ({"models": ("openai/*",)}, None),
        ({"models": ("openai/gpt-4.1",)}, None),
        ({}, None),
    ],
)
def test_each_constraint_names_itself(restrictions: dict[str, Any], reason):
    endpoint = make_endpoint("a", tier=Tier.DEEP, region="us-east-1", model="gpt-4.1")
    assert exclusion(Restrictions(**restrictions), endpoint, {}) == reason


def test_a_class_of_several_regions_is_left_by_none_of_them():
    classes = {"eu": frozenset({"eu", "westeurope", "local"})}
    wanted = Restrictions(privacy=frozenset({"eu"}))
    left = [
        name
        for name in ("eu-west-1", "westeurope", "local", "us", "")
        if exclusion(wanted, make_endpoint("a", region=name), classes)
    ]
    assert left == ["us", ""]


def test_classes_add_up():
    assert with_privacy(None, frozenset()) is None
    both = with_privacy(with_privacy(Restrictions(models=("a",)), frozenset({"eu"})), frozenset({"local"}))
    assert both == Restrictions(models=("a",), privacy=frozenset({"eu", "local"}))
    assert with_privacy(None, frozenset({"eu"})) == Restrictions(privacy=frozenset({"eu"}))


def test_a_name_with_glob_characters_matches_itself():
    assert names_match(("model[1]",), "model[1]")
    assert not names_match(("gpt-4",), "gpt-4o")

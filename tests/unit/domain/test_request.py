"""What a request needs of an endpoint."""

import itertools

import pytest

from octoroute.domain.endpoint import Capability
from octoroute.domain.request import Facts

CAPABILITY = {"tools": Capability.TOOLS, "images": Capability.VISION, "json": Capability.JSON}


@pytest.mark.parametrize("names", [names for size in range(4) for names in itertools.combinations(CAPABILITY, size)])
def test_needs_are_the_capabilities_of_what_the_request_contains(names):
    assert Facts(**dict.fromkeys(names, True)).needs == {CAPABILITY[name] for name in names}


def test_other_facts_need_nothing():
    assert Facts(text="x", tokens=9, messages=3, attachments=True, quality=1.0).needs == frozenset()

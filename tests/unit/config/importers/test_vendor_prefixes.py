"""The vendors that prefixes of models' names stand for."""

from __future__ import annotations

import re

from octoroute.config import rules
from octoroute.config.importers.vendor_prefixes import SAME_AS, VENDORS
from octoroute.upstream.providers import KINDS


def test_every_vendor_has_a_kind_and_an_address_that_can_be_used():
    for name, vendor in VENDORS.items():
        assert vendor.kind in KINDS, name
        assert vendor.kind == "bedrock" or re.sub(r"\$\{\w+\}", "https://x", vendor.base_url), name
        if vendor.base_url and "$" not in vendor.base_url:
            assert rules.base_url(vendor.base_url) is None, name


def test_other_names_are_of_vendors():
    assert set(SAME_AS.values()) <= set(VENDORS)
    assert not set(SAME_AS) & set(VENDORS)

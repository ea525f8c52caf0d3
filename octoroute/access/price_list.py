"""The vendors' list prices that ship with octoroute, for endpoints without a price of their own; with their date and sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from urllib.parse import urlsplit

import msgspec

from octoroute.domain.price import Price

_VERSION = re.compile(r"-(?:latest|\d{8}|\d{4}-\d{2}-\d{2})$")
"""At the end of a model's name: a date, which does not change its price."""


class VendorPrices(msgspec.Struct, frozen=True):
    """The prices of one vendor's own API. `sources`: the pages that state them."""

    sources: tuple[str, ...]
    models: Mapping[str, Price]


class PriceList(msgspec.Struct, frozen=True):
    date: str
    """The day on which the prices were taken."""
    origin: str = msgspec.field(name="from")
    vendors: Mapping[str, VendorPrices] = {}
    """By host of the API."""


@cache
def price_list() -> PriceList:
    data = (resources.files("octoroute.access") / "prices.json").read_bytes()
    return msgspec.json.decode(data, type=PriceList)


def listed_price(base_url: str, model: str) -> Price | None:
    """Return the vendor's list price of a model at the vendor's own address; None: it is not known."""
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return None
    vendor = price_list().vendors.get(host)
    if vendor is None:
        return None
    name = model.removeprefix("models/")
    return vendor.models.get(name) or vendor.models.get(_VERSION.sub("", name))

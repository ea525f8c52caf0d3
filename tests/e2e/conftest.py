"""A gateway in front of one vendor's server; both are stopped, and what the server found wrong with its requests is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake import Fake
from tests.support.live_gateway import LiveGateway, endpoint

if TYPE_CHECKING:
    from tests.support.vendors import Asked, Says, Server


class Street:
    def __init__(self, gateway: LiveGateway, server: Server, fake: Fake) -> None:
        self.gateway = gateway
        self.server = server
        self.fake = fake
        self.leaving: list[Callable[[], Awaitable[Any]]] = []
        """What the test opened on its own: closed before the gateway is."""

    def talk(self, client: str, **more: Any) -> Any:
        from tests.support.sdks import TALKS

        talk = TALKS[client](self.gateway.url, **more)
        self.leaving.append(talk.close if hasattr(talk, "close") else talk.sdk.close)
        return talk

    @property
    def asked(self) -> Asked:
        assert not self.server.wrong, self.server.wrong
        return self.server.asked[-1]


@pytest.fixture
async def street(make_fake, make_gateway) -> AsyncIterator[Callable[..., Awaitable[Street]]]:
    opened: list[Street] = []

    async def make(kind: str, says: Says | Callable[[Asked], Says] | None = None) -> Street:
        """`says`: one answer to everything, or the model: a function of the question."""
        from tests.support.vendors import VENDORS, Server

        vendor, fake = VENDORS[kind], await make_fake()
        server = Server(vendor, says if callable(says) else lambda _: says)
        fake.always(server)
        address = f"http://127.0.0.1:{fake.port}{vendor.path}"
        row = endpoint(
            address, "the-model", id="a", provider=getattr(vendor, "provider", kind), model=vendor.model, **vendor.settings
        )
        opened.append(Street(await make_gateway([row], providers=getattr(vendor, "providers", {})), server, fake))
        return opened[-1]

    yield make
    for street in opened:
        for leave in street.leaving:
            await leave()
        await street.gateway.quiet()
        assert not street.server.wrong, street.server.wrong

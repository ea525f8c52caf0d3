"""Every test of this folder runs on both event loops."""

from tests.contract.transports.conftest import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]

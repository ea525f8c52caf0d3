import errno
import os

import pytest

from octoroute.errors import NoResources, Unreachable
from octoroute.upstream.transports.failures import has_vanished, unreachable


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_what_this_machine_lacks_is_not_the_endpoints_fault(number):
    found = unreachable(OSError(number, os.strerror(number)))
    assert isinstance(found, NoResources)
    assert found.retryable and not found.blames_endpoint


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EACCES])
def test_everything_else_is(number):
    found = unreachable(OSError(number, os.strerror(number)))
    assert type(found) is Unreachable
    assert found.blames_endpoint


@pytest.mark.parametrize(
    ("error", "vanished"),
    [
        (TimeoutError(errno.ETIMEDOUT, "timed out"), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), False),
        (ValueError("x"), False),
        (None, False),
    ],
)
def test_a_peer_that_is_gone_without_a_word_has_not_closed_the_connection(error, vanished):
    assert has_vanished(error) is vanished

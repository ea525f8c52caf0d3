import errno
import os

import pytest

from octoroute.errors import NoResources, Unreachable
from octoroute.upstream.transports.failures import unreachable


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

"""The listener's certificate; what clients see of it is in tests/behaviour/test_tls.py."""

from __future__ import annotations

import shutil

import pytest
from structlog.testing import capture_logs

from octoroute.config.schema.server import ServerTlsTable
from octoroute.errors import OctorouteError
from octoroute.server.tls import listener_tls
from tests.support.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    found = Authority(tmp_path_factory.mktemp("authority"))
    found.server("IP:127.0.0.1")
    return found


def test_without_a_certificate_there_is_none():
    assert listener_tls(ServerTlsTable()) is None


def test_files_that_vanish_between_the_check_and_the_start_are_an_error_with_a_remedy():
    with pytest.raises(OctorouteError, match="octoroute check"):
        listener_tls(ServerTlsTable(cert_file="/nowhere"))


def test_files_that_vanish_between_the_check_and_a_reload_change_nothing(authority, tmp_path):
    certificate = tmp_path / "tls.crt"
    shutil.copy(authority.folder / "IP-127.0.0.1.pem", certificate)
    settings = ServerTlsTable(cert_file=str(certificate), key_file=str(authority.folder / "IP-127.0.0.1.key"))
    found = listener_tls(settings)
    assert found is not None
    certificate.write_text("nonsense")
    with capture_logs() as lines:
        found.renew(settings)
    assert [line["log_level"] for line in lines] == ["error"]

"""Certificate files: what is wrong with them is said in the configuration's words, and a renewed file makes other settings."""

from __future__ import annotations

import shutil

import pytest

from octoroute.domain.endpoint import Tls
from octoroute.upstream.transports.trust import problems, trust, version
from tests.support.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    found = Authority(tmp_path_factory.mktemp("authority"))
    found.server("DNS:one.test")
    found.server("DNS:two.test")
    return found


def file(authority, name: str) -> str:
    return str(authority.folder / name)


def test_good_files_have_no_problems(authority):
    tls = Tls(
        ca_file=str(authority.file), client_cert=file(authority, "DNS-one.test.pem"), client_key=file(authority, "DNS-one.test.key")
    )
    assert list(problems(tls)) == []
    assert trust(tls).context.get_ca_certs()


@pytest.mark.parametrize(
    ("files", "key", "problem"),
    [
        ({"ca_file": "absent.pem"}, "ca_file", "cannot be read"),
        ({"ca_file": "DNS-one.test.key"}, "ca_file", "holds no certificate"),
        ({"client_key": "DNS-one.test.key"}, "client_key", "has no client_cert"),
        ({"client_cert": "DNS-one.test.pem"}, "client_cert", "does not make a pair"),
        ({"client_cert": "DNS-one.test.pem", "client_key": "DNS-two.test.key"}, "client_key", "does not make a pair"),
    ],
)
def test_one_problem_is_reported_under_its_key(authority, files, key, problem):
    ((found, text),) = problems(Tls(**{name: file(authority, value) for name, value in files.items()}))
    assert found == key
    assert problem in text


def test_a_renewed_file_makes_other_settings_and_so_does_one_that_is_gone(authority, tmp_path):
    copy = tmp_path / "ca.pem"
    shutil.copy(authority.file, copy)
    tls = Tls(ca_file=str(copy))
    before = version(tls)
    assert version(tls) == before == version(Tls(ca_file=str(authority.file)))
    copy.write_text("renewed")
    renewed = version(tls)
    copy.unlink()
    assert len({before, renewed, version(tls)}) == 3


def test_a_file_that_has_become_unusable_is_an_os_error(authority):
    with pytest.raises(FileNotFoundError):
        trust(Tls(ca_file=file(authority, "absent.pem")))

"""A server of one's own, or a vendor's."""

import pytest

from octoroute.access.own_hardware import is_own_server


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:11434/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://192.168.0.9:8080", True),
        ("http://ollama:11434/v1", True),
        ("http://gpu.local/v1", True),
        ("http://llm.team.svc.cluster.local:80/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://[2606:4700::1]/v1", False),
        ("", False),
        ("http://[bad", False),
    ],
)
def test_private_addresses_and_names_are_ones_own(url, own):
    assert is_own_server(url) is own

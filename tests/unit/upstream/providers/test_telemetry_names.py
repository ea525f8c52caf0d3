"""What the conventions call the vendors."""

import pytest

from octoroute.upstream.providers.telemetry_names import telemetry_name
from tests.support.parts import endpoint


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"base_url": "https://API.openai.com/v1"}, "openai"),
        ({"base_url": "https://api.groq.com/openai/v1", "provider": "my-groq"}, "groq"),
        ({"kind": "bedrock"}, "aws.bedrock"),
        ({"kind": "anthropic", "provider": "anthropic"}, "anthropic"),
        ({"provider": "home"}, "home"),
        ({}, "openai"),
    ],
)
def test_a_vendor_has_its_well_known_name_and_another_server_its_providers(more, name):
    assert telemetry_name(endpoint(**more)) == name

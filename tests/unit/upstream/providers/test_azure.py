"""Azure: deployments and the dated versions, or the form without; and two ways to prove who asks."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.upstream.providers.azure import DEFAULT_VERSION, Azure
from tests.support.spine import make_endpoint

ROOT = "https://r.openai.azure.com"


def endpoint(base_url=ROOT, **more):
    return make_endpoint("a", **{"kind": "azure", "base_url": base_url, "model": "gpt", "api_key": Secret("k"), **more})


@pytest.mark.parametrize("tail", ["", "/openai", "/openai/deployments", "/openai/deployments/gpt"])
def test_what_stands_after_the_root_does_not_matter(tail):
    url = Azure().url(endpoint(ROOT + tail), "chat", stream=True)
    assert url == f"{ROOT}/openai/deployments/gpt/chat/completions?api-version={DEFAULT_VERSION}"


def test_the_v1_form_has_no_versions_unless_one_is_configured():
    at = endpoint(ROOT + "/openai/v1")
    assert Azure().url(at, "embeddings", stream=False) == f"{ROOT}/openai/v1/embeddings"
    assert Azure().probe_url(at) == f"{ROOT}/openai/v1/models"
    dated = endpoint(ROOT + "/openai/v1", api_version="2025-01-01-preview")
    assert Azure().probe_url(dated) == f"{ROOT}/openai/models?api-version=2025-01-01-preview"


def test_a_deployments_name_is_one_segment():
    assert "/deployments/a%2Fb%3F/" in Azure().url(endpoint(model="a/b?"), "chat", stream=False)


def test_a_token_takes_the_place_of_the_key():
    assert dict(Azure().headers(endpoint()))["api-key"] == "k"
    headers = dict(Azure().headers(endpoint(headers=(("Authorization", "Bearer t"),))))
    assert headers == {"content-type": "application/json", "Authorization": "Bearer t"}


def test_the_responses_format_only_where_it_is_configured():
    assert Azure().wires("", ROOT) == () and Azure().wires("responses", ROOT) == ("responses",)
    assert Azure().url(endpoint(ROOT + "/openai/v1"), "responses", stream=True) == f"{ROOT}/openai/v1/responses"
    dated = endpoint(api_version="2025-04-01-preview")
    assert Azure().url(dated, "responses", stream=False) == f"{ROOT}/openai/responses?api-version=2025-04-01-preview"

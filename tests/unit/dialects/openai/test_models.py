"""The list of models as OpenAI has it: one page, without other names of the gateway's own models."""

from octoroute.dialects.local_routes import ModelCard
from octoroute.dialects.openai.models import OpenAIModels


def test_a_list_holds_each_model_once_with_its_owner():
    listing = OpenAIModels().listing(
        [ModelCard("auto", "octoroute"), ModelCard("mine", "user")], ["claude-octoroute-auto"], {"limit": "1"}
    )
    assert listing == {
        "object": "list",
        "data": [
            {"id": "auto", "object": "model", "created": 0, "owned_by": "octoroute"},
            {"id": "mine", "object": "model", "created": 0, "owned_by": "user"},
        ],
    }

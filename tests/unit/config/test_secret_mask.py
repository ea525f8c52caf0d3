"""What is shown can be read again, says the same, and holds no secret."""

import json
import re
from pathlib import Path

import tomli_w

from octoroute.config import loads
from octoroute.config.render.template import template
from octoroute.config.secret_mask import MASK, mask, secret_values, unmask


class AnyVariable(dict[str, str]):
    def get(self, key, default=None):
        return "from-the-environment"


FULL = re.sub(r"(?m)^#(?=[a-z\[])", "", template())


def test_what_is_shown_is_the_same_configuration():
    plain = template().replace("\n[auth]\n", '\n[auth]\nkeys = ["$$k${X:-y}"]\n')
    config = loads(plain, Path("config.toml"), {})
    problems = []
    tree = unmask(mask(config), {"auth": {"keys": ["$$k${X:-y}"]}}, problems)
    assert problems == []
    again = loads(tomli_w.dumps(tree), Path("config.toml"), {})
    assert again == config
    assert again.auth.keys[0].reveal() == "$ky"


def test_every_secret_is_masked_and_nothing_of_the_environment_is_there():
    config = loads(FULL, Path("config.toml"), AnyVariable())
    text = json.dumps(mask(config))
    assert "from-the-environment" not in text
    assert '"admin_keys": ["***"]' in text
    assert '"api_key": "***"' in text


def test_every_secret_is_known_also_the_password_of_an_address():
    text = """
    auth = { keys = ["client-key-1"], admin_keys = ["admin-key-1"] }
    shared.url = "rediss://:shared%2Fpassword@h:6379/0"
    store.url = "postgresql://octoroute@h/x"
    [providers.p]
    base_url = "http://h/v1"
    api_key = "provider-key-1"
    headers = { X-A = "header-1" }
    [[models.fast]]
    name = "m"
    provider = "p"
    """
    found = set(secret_values(loads(text, Path("config.toml"), {})))
    addresses = {"rediss://:shared%2Fpassword@h:6379/0", "shared/password", "postgresql://octoroute@h/x"}
    assert found == {"client-key-1", "admin-key-1", "provider-key-1", "header-1", *addresses}


def test_a_dollar_sign_is_shown_as_the_file_must_have_it():
    config = loads('[[models.fast]]\nname = "m"\nmodel = "a$${b}"\nbase_url = "http://h/v1"', Path("config.toml"), {})
    assert config.endpoints[0].model == "a${b}"
    assert mask(config)["models"]["fast"][0]["model"] == "a$${b}"


def endpoint(name, key, **more):
    return {"name": name, "base_url": "http://h/v1", "api_key": key, **more}


def test_a_mask_finds_its_endpoint_wherever_it_has_moved():
    old = {"models": {"fast": [endpoint("a", "A"), endpoint("b", "B"), endpoint("b", "B2", id="x")]}}
    new = {"models": {"fast": [endpoint("b", MASK, id="x"), endpoint("n", "N"), endpoint("b", MASK), endpoint("a", MASK)]}}
    problems = []
    found = unmask(new, old, problems)
    assert [row["api_key"] for row in found["models"]["fast"]] == ["B2", "N", "B", "A"]
    assert problems == []


def test_a_mask_never_takes_another_servers_key():
    old = {"models": {"fast": [endpoint("a", "A")]}}
    new = {"models": {"fast": [{**endpoint("a", MASK), "base_url": "http://elsewhere/v1"}]}}
    problems = []
    unmask(new, old, problems)
    assert [problem.split(":")[0] for problem in problems] == ["models.fast[0].api_key"]


def test_keys_are_matched_by_place_and_not_when_some_are_gone():
    problems = []
    assert unmask({"keys": [MASK, MASK, "new"]}, {"keys": ["1", "2"]}, problems) == {"keys": ["1", "2", "new"]}
    assert problems == []
    unmask({"keys": [MASK]}, {"keys": ["1", "2"]}, problems)
    assert len(problems) == 1

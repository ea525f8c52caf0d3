"""Rules, limits, the queue, and orders in a configuration file: what is read, and what is refused with which words."""

from pathlib import Path

import pytest

from octoroute.config import loads
from octoroute.domain.endpoint import ProviderLimits, Tier
from octoroute.errors import ConfigError
from octoroute.server.app import App

BASE = """
[providers.azure]
base_url = "http://azure.test/v1"
requests_per_minute = 60
[[models.balanced]]
name = "gpt-4o"
id = "m-1"
provider = "azure"
[[models.fast]]
name = "small"
base_url = "http://h/v1"
"""


def read(text):
    return loads(text, Path("config.toml"), {})


def problems(text):
    with pytest.raises(ConfigError) as caught:
        read(text)
    return list(caught.value.problems)


def rule(**keys):
    lines = [f"{key} = {value!r}".replace("True", "true").replace("False", "false") for key, value in keys.items()]
    return BASE + "\n[[routing.rules]]\n" + "\n".join(lines) + "\n"


def test_b6_a_rule_with_everything_reaches_the_gateway():
    text = (
        BASE
        + """
[[routing.rules]]
name = "off"
enabled = false
reject = "never"
[[routing.rules]]
name = "long"
override = true
fall_through = false
model = "gpt-*"
user = "u*"
key = "key-1"
request_type = "long-context"
min_tokens = 1
max_tokens = 9
max_output = 5
headers = { X-Team = "s*" }
stream = true
dialect = "openai"
provider = "azure"
policy = "sticky"
"""
    )
    gateway = App(read(text)).gateway.settings
    (found,) = gateway.rules
    assert (found.name, found.override, found.fall_through, found.provider, found.policy) == (
        "long",
        True,
        False,
        "azure",
        "sticky",
    )
    assert (found.headers, found.stream, found.dialect, found.request_type) == ({"X-Team": "s*"}, True, "openai", "long-context")
    assert set(gateway.policies) == {"sticky"}


def test_b9_b28_limits_and_the_queue():
    config = read(BASE + "[queue]\nmax_waiting = 5\nmax_wait_seconds = 2.5\n[selection]\norder = 'round_robin'\n")
    assert config.limits == {"azure": ProviderLimits(requests_per_minute=60)}
    gateway = App(config).gateway.settings
    assert (gateway.queue.max_waiting, gateway.queue.max_wait_s) == (5, 2.5)
    assert gateway.policy.by_provider
    assert App(read(BASE)).gateway.settings.queue.max_waiting == 0


def test_b9_an_endpoint_that_stands_alone_is_under_nobodys_limit():
    text = BASE.replace("azure", "openai") + '[[routing.rules]]\nname = "r"\nprovider = "openai"\n'
    gateway = App(read(text)).gateway.settings
    assert [(endpoint.name, endpoint.provider) for endpoint in gateway.endpoints] == [("small", "h"), ("gpt-4o", "openai")]
    assert [endpoint.id for endpoint in gateway.of_provider("openai")] == ["m-1"]
    assert App(read('[[models.fast]]\nname = "small"\nbase_url = "http://h/v1"')).gateway.settings.endpoints[0].provider == "openai"


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ({"name": "r"}, "routing.rules[0]", "has no action"),
        ({"name": "r", "tier": "fast", "reject": "no"}, "routing.rules[0]", "has tier and reject"),
        ({"name": "r", "reject": "no", "policy": "sticky"}, "routing.rules[0]", "is not sent"),
        ({"tier": "fast"}, "routing.rules[0].name", "is missing"),
        ({"name": "r", "endpoint": "gpt-4"}, "routing.rules[0].endpoint", 'did you mean "gpt-4o"'),
        ({"name": "r", "provider": "azzure"}, "routing.rules[0].provider", 'did you mean "azure"'),
        ({"name": "r", "tier": "deep"}, "routing.rules[0].tier", "has no endpoint"),
        ({"name": "r", "tier": "big"}, "routing.rules[0].tier", "must be one of fast, balanced, deep"),
        ({"name": "r", "tier": "fast", "request_type": "talk"}, "routing.rules[0].request_type", "must be one of chat, tools"),
        ({"name": "r", "tier": "fast", "dialect": "cohere"}, "routing.rules[0].dialect", "must be one of openai, anthropic"),
        ({"name": "r", "tier": "fast", "modell": "x"}, "routing.rules[0].modell", 'did you mean "model"'),
        ({"name": "r", "tier": "fast", "min_tokens": 9, "max_tokens": 5}, "routing.rules[0].min_tokens", "never matches"),
        ({"name": "r", "policy": "sticki"}, "routing.rules[0].policy", 'did you mean "sticky"'),
        ({"name": "r", "reject": " "}, "routing.rules[0].reject", "must not be blank"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(keys, path, words):
    assert any(problem.startswith(f"{path}: ") and words in problem for problem in problems(rule(**keys)))


def test_two_rules_of_one_name_are_refused():
    text = rule(name="r", tier="fast") + '[[routing.rules]]\nname = "r"\ntier = "fast"\n'
    assert any(problem.startswith("routing.rules[1].name: ") and "rename" in problem for problem in problems(text))


def test_an_order_and_a_policy_do_not_go_together():
    (problem,) = problems(BASE + "[selection]\norder = 'priority'\npolicy = 'fastest'\n")
    assert problem.startswith('selection.policy: "fastest" has no effect')


def test_b26_what_a_policy_has_learnt_survives_a_reload():
    app = App(read(BASE + "[selection]\npolicy = 'fastest'\n"))
    before = app.gateway.settings.policy
    app.reload(read(BASE + "[selection]\npolicy = 'fastest'\nmax_cost_usd = 2.0\n"))
    assert app.gateway.settings.policy is before
    assert app.gateway.settings.max_cost_usd == 2.0
    app.reload(read(BASE))
    assert app.gateway.settings.policy is not before


def test_b9_what_a_provider_has_used_survives_a_reload():
    app = App(read(BASE))
    endpoint = app.gateway.settings.tier(Tier.BALANCED)[0]
    lease = app.gateway.health.acquire(endpoint)
    app.reload(read(BASE))
    for _ in range(59):
        app.gateway.health.acquire(endpoint).release()
    assert app.gateway.health.acquire(endpoint) is None
    lease.release()
    app.reload(read(BASE.replace("= 60", "= 600")))
    assert app.gateway.health.available(endpoint)

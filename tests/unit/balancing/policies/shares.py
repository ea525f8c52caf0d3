"""Requests, endpoints, and counts for tests of policies. Randomness is seeded: a run that passes always passes."""

from __future__ import annotations

import json
import math
from collections import Counter
from random import Random

from octoroute.balancing.policies import POLICIES, PolicyInputs
from octoroute.dialects import inbound
from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.domain.principal import Principal
from tests.support.live_gateway import Clock
from tests.support.spine import make_endpoint

OPENAI = inbound(lambda: 0.0)["openai"]
A, B, C = (make_endpoint(name) for name in "abc")


def asked(text="hello", *, user=None, key=None, system=None, stream=False, later=(), max_tokens=None, request_id="r"):
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": "user", "content": text}, *later]
    body = {"model": "auto", "messages": messages, "stream": stream}
    if user:
        body["user"] = user
    if max_tokens:
        body["max_tokens"] = max_tokens
    return OPENAI.read(
        json.dumps(body).encode(), request_id=request_id, headers={}, principal=None if key is None else Principal(name=key)
    )


def build(name, clock=None, in_flight=None, sticky_by="conversation"):
    return POLICIES[name](PolicyInputs(clock or Clock(), in_flight or (lambda _: 0), user_of, opening_of, sticky_by))


def firsts(policy, endpoints, count, *, seed=1, took=True):
    random = Random(seed).random
    found = Counter()
    for _ in range(count):
        first = policy.order(endpoints, asked(), random)[0]
        if took:
            policy.on_selected(first)
        found[first.id] += 1
    return found


def close_to(count, share, of):
    """Within four standard deviations of the binomial."""
    return abs(count - share * of) <= 4 * math.sqrt(of * share * (1 - share)) + 1e-9

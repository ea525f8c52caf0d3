"""What the clients of a torture ask, how they read what comes back, and whether gateway and clients tell the same story."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.fake import DONE
from tests.support.live_gateway import post
from tests.support.wire import Answer
from tests.torture.endpoint import Wish

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
STOP = b"event: message_stop"
LEFT = "left"
"""The ending of a request whose client did not wait for it."""

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Ask:
    wish: Wish
    dialect: str = "openai"
    stream: bool = False
    model: str = "auto"
    key: str = ""
    path: str | None = None
    """Another one than the dialect's."""
    body: bytes | None = None
    """Something else."""

    def request(self) -> bytes:
        body: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": self.wish.message()}]}
        if self.dialect == "anthropic":
            body["max_tokens"] = 1000
        if self.stream:
            body["stream"] = True
        key = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        return post(
            self.body or json.dumps(body).encode(), self.path or PATHS[self.dialect], f"x-request-id: {self.wish.id}\r\n{key}"
        )

    def says(self, body: bytes) -> str:
        """The words of an answer, whole or so far."""
        if not self.stream:
            answer = json.loads(body)
            return answer["content"][0]["text"] if self.dialect == "anthropic" else answer["choices"][0]["message"]["content"]
        lines = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: {")]
        return "".join(_delta(json.loads(line)) for line in lines)

    def ends(self, body: bytes) -> bool:
        """Whether a stream has its proper end."""
        return STOP in body[-200:] if self.dialect == "anthropic" else body.endswith(DONE)


def _delta(event: dict[str, Any]) -> str:
    if event.get("choices"):
        return event["choices"][0]["delta"].get("content") or ""
    delta = event.get("delta")
    return delta.get("text", "") if isinstance(delta, dict) else ""


@dataclass(frozen=True)
class Account:
    """What the client knows of one request of its own."""

    id: str
    ending: str
    status: int = 0
    endpoint: str | None = None
    attempts: int = 0
    since: float = 0.0
    until: float = 0.0

    @classmethod
    def of(cls, ask: Ask, answer: Answer, since: float, until: float) -> Account:
        """Raises AssertionError when it is not an answer to this, or no proper one."""
        headers = answer.headers
        return cls(
            headers["x-request-id"],
            ending_of(ask, answer),
            answer.status,
            headers.get("x-octoroute-endpoint"),
            int(headers.get("x-octoroute-attempts", "0")),
            since,
            until,
        )


def ending_of(ask: Ask, answer: Answer) -> str:
    status, _, body = answer
    if status != 200:
        assert json.loads(body)["error"]["message"], body
        return "failed" if status >= 500 or status == 429 else "refused"
    said = ask.says(body)
    if not ask.stream or ask.ends(body):
        assert said == ask.wish.text, f"{ask} got {said!r}"
        return "answered"
    assert ask.wish.text.startswith(said), f"{ask} got {said!r}"
    assert b'"error"' in body, f"{ask} was cut short: {body[-300:]!r}"
    return "broken"


# the same story


def check_lines(accounts: Sequence[Account], lines: Sequence[Mapping[str, Any]], asked: Iterable[str]) -> None:
    """One log line a request, and it says what the client saw. `asked`: the id of each request that an endpoint has seen.

    A client that leaves at once may never have been heard: its request may be without a line if no endpoint was asked.
    """
    by_id = {line["request_id"]: line for line in lines}
    assert len(by_id) == len(lines), [id for id, times in Counter(line["request_id"] for line in lines).items() if times > 1][:9]
    assert len({account.id for account in accounts}) == len(accounts)
    for request_id, times in Counter(asked).items():
        assert request_id in by_id, f"{request_id} was asked of an endpoint, and is not in the log"
        told = by_id[request_id]
        assert times <= len(told.get("attempts", ())), f"asked {times} times: {told}"
    for account in accounts:
        line = by_id.pop(account.id, None)
        if account.ending == LEFT:
            assert line is None or line["ending"] in {"abandoned", "answered"}, (account, line)
            continue
        assert line is not None, f"no line for {account}"
        told = line["ending"], line["status"], len(line.get("attempts", ()))
        assert told == (account.ending, account.status, account.attempts), (account, line)
        assert line.get("endpoint") == account.endpoint, (account, line)
    assert not by_id, f"lines of nobody: {list(by_id.items())[:9]}"


def check_metrics(lines: Sequence[Mapping[str, Any]], metrics: Samples, lost: int = 0) -> None:
    """The counters are the sums of the lines, label by label. `lost`: requests for a route that does not exist."""
    expected = Counter({_sample("client_errors", code="unknown_route"): lost} if lost else {})
    for line in lines:
        expected.update(_counted(line))
    names = {name for name, _ in expected} | {"octoroute_metrics_recording_failures_total", *_COUNTERS}
    told = {key: value for key, value in metrics.items() if key[0] in names and value}
    wrong = {key: (told.get(key), expected.get(key)) for key in told.keys() | expected.keys() if told.get(key) != expected.get(key)}
    assert not wrong, f"(metrics, log) differ: {wrong}"


_COUNTERS = (
    "octoroute_attempts_total",
    "octoroute_client_errors_total",
    "octoroute_fallbacks_total",
    "octoroute_mid_stream_failures_total",
    "octoroute_model_invocations_total",
    "octoroute_outcomes_total",
    "octoroute_requests_total",
    "octoroute_retries_total",
)


def _sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"octoroute_{name}_total", frozenset(labels.items())


def _counted(line: Mapping[str, Any]) -> Iterable[tuple[str, frozenset[tuple[str, str]]]]:
    """The samples that a line stands for."""

    attempts, endpoint, ending = line.get("attempts", []), line.get("endpoint"), line["ending"]
    if "tier" in line:
        yield _sample("requests", tier=line["tier"], strategy=line["strategy"])
    for attempt in attempts:
        yield _sample("attempts", endpoint=attempt["endpoint"], error=attempt["error"] or "")
    for attempt in attempts[1:]:
        yield _sample("retries", endpoint=attempt["endpoint"])
    if endpoint is None:
        if "error" in line:
            yield _sample("client_errors", code=line["error"])
        return
    yield _sample("outcomes", endpoint=endpoint, outcome=ending)
    if ending == "answered":
        yield _sample("model_invocations", tier="fast")
    if ending == "broken":
        yield _sample("mid_stream_failures", endpoint=endpoint)
    if attempts[-1]["error"] is None and attempts[0]["endpoint"] != endpoint:
        yield _sample("fallbacks", tier="fast")

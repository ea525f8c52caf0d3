"""B15, X18: what an upstream's status means, in one table: whose fault, whether another is asked, what the client sees."""

import pytest

from octoroute.domain.endpoint import CircuitState
from octoroute.upstream.status import MAX_FORWARDED_BYTES, forwarded_headers
from tests.support.spine import FakeAnswer, Spine, make_endpoint
from tests.support.virtual import run

ROWS = [
    # status, what the client sees when nobody else can, another is asked, failures of the endpoint
    (400, 400, False, 0),
    (401, 502, True, 1),
    (402, 502, True, 1),
    (403, 502, True, 1),
    (404, 404, False, 0),
    (408, 502, True, 1),
    (409, 502, True, 1),
    (413, 413, False, 0),
    (422, 422, False, 0),
    (425, 502, True, 1),
    (429, 429, True, 0),
    (500, 502, True, 1),
    (502, 502, True, 1),
    (503, 502, True, 1),
    (504, 504, True, 1),
    (529, 502, True, 1),
]


@pytest.mark.parametrize(("status", "seen", "moves_on", "failures"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_b15_x18_each_status_has_its_meaning(status, seen, moves_on, failures):
    async def story():
        def spine(*endpoints):
            found = Spine(endpoints, failure_threshold=99)
            answer = found.transport._answer
            found.transport._answer = lambda how, model, stream: (
                FakeAnswer(found.transport, status, {}, [b'{"error": {"message": "their words"}}'])
                if model == "a"
                else answer(how, model, stream)
            )
            return found

        a, b = make_endpoint("a", priority=2), make_endpoint("b")
        alone = spine(a)
        told = await alone.ask()
        assert told.status == seen
        assert alone.health.breaker(a).failures == failures
        assert (alone.health.circuit_state(a) is CircuitState.OPEN) == (status in {401, 402, 403})
        assert (await spine(a, b).ask()).asked == (["a", "b"] if moves_on else ["a"])
        assert alone.transport.open == 0

    run(story())


def test_a_client_gets_no_more_than_a_page_of_headers():
    rates = {f"x-ratelimit-{number}": "9" * 200 for number in range(100)}
    given = {**rates, "content-type": "text/html" + " " * 30_000, "request-id": "i", "retry-after": "7", "server": "x" * 9000}
    passed = forwarded_headers(given)
    assert passed["request-id"] == "i"
    assert passed["retry-after"] == "7"
    assert "content-type" not in passed
    assert "server" not in passed
    assert forwarded_headers({"server": "x" * 9000, "content-type": "a/b"}) == {"content-type": "a/b"}
    assert sum(len(name) + len(value) for name, value in passed.items()) <= MAX_FORWARDED_BYTES
    assert len(forwarded_headers({"request-id": "i", **rates})) > 15

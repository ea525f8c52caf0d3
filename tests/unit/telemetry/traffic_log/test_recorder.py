"""The recorder switches the traffic log on, replaces it, and switches it off, without losing a line."""

from __future__ import annotations

from octoroute.telemetry.traffic_log.recorder import TrafficRecorder
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.telemetry.traffic_log.writer import TrafficLogSettings
from tests.support.live_gateway import until
from tests.support.traffic_logs import NOW, Clock, ids, read_all


def recorder(dropped=lambda count: None) -> TrafficRecorder:
    return TrafficRecorder(clock=Clock(), wall=lambda: NOW, dropped=dropped)


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", scope["id"])]})
    await send({"type": "http.response.body", "body": b"text"})


async def request(routes, number: int) -> None:
    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        pass

    await routes["/"]({"type": "http", "method": "POST", "path": "/", "headers": [], "id": b"%d" % number}, receive, send)


async def test_off_it_costs_nothing():
    one, routes = recorder(), {"/": answer}
    one.use(None, Redaction())
    assert one.observer is None
    assert one.around(routes) is routes
    await one.stop()


async def test_on_replaced_and_off_each_request_is_in_the_log_of_its_time(tmp_path):
    one, routes = recorder(), {"/": answer}
    one.use(TrafficLogSettings(directory=tmp_path), Redaction())
    assert one.observer is not None
    wrapped = one.around(routes)
    await request(wrapped, 1)
    one.use(TrafficLogSettings(directory=tmp_path, max_body_bytes=0), Redaction())
    await request(wrapped, 2)
    one.use(None, Redaction())
    await request(wrapped, 3)
    await until(lambda: ids(tmp_path) == [1, 2])  # a log that was switched off ends by itself
    one.use(TrafficLogSettings(directory=tmp_path), Redaction())
    await request(wrapped, 4)
    await one.stop()
    assert ids(tmp_path) == [1, 2, 4]
    assert ["body" in record["response"] for record in read_all(tmp_path)] == [True, False, True]
    assert one.observer is None


async def test_lost_lines_are_counted(tmp_path):
    lost = []
    one = recorder(lost.append)
    one.use(TrafficLogSettings(directory=tmp_path, queue_bytes=1), Redaction())
    await request(one.around({"/": answer}), 1)
    await one.stop()
    assert lost == [1]

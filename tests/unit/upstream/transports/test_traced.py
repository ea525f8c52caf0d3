"""A traced transport changes the trace context of a request, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace

from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.traced import TracedTransport


class Inner:
    def __init__(self) -> None:
        self.sent = []

    async def send(self, request):
        self.sent.append(request)

    async def close(self):
        self.sent.append("closed")


async def sent(context, **more):
    inner = Inner()
    transport = TracedTransport(inner, lambda url: context)
    await transport.send(TransportRequest(method="POST", url="http://h/v1", **more))
    await transport.close()
    assert inner.sent.pop() == "closed"
    return inner.sent[0]


CONTEXT = SimpleNamespace(header="00-new", state="b=2")


async def test_the_clients_context_is_replaced():
    extra = (("x-request-id", "r"), ("traceparent", "00-old"), ("tracestate", "a=1"))
    assert (await sent(CONTEXT, extra=extra)).extra == (("x-request-id", "r"), ("traceparent", "00-new"), ("tracestate", "b=2"))


async def test_what_the_operator_configured_or_what_is_not_traced_stays():
    headers = (("Traceparent", "mine"),)
    assert (await sent(CONTEXT, headers=headers)).extra == ()
    assert (await sent(None, extra=(("traceparent", "00-old"),))).extra == (("traceparent", "00-old"),)

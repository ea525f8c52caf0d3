"""The dashboard's pages without scripts."""

from __future__ import annotations

from octoroute.server.routes.dashboard_tables import table
from tests.support.live_gateway import endpoint, question

OPERATOR = {"x-api-key": "boss", "accept": "text/html"}


def test_what_clients_named_is_text_and_never_markup():
    written = table(("a<b",), [("<img src=x onerror=alert(1)>",), (None,), (3,)], "nothing")
    assert "<img" not in written
    assert "&lt;img src=x onerror=alert(1)&gt;" in written
    assert "a&lt;b" in written
    assert written.count("<tr>") == 4
    assert table(("a",), [], "no <row>") == "<p>no &lt;row&gt;</p>"


async def test_each_page_shows_what_its_route_would_answer(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a", price={"input": 1.0, "output": 2.0})], auth={"admin_keys": ["boss"]})
    assert (await gateway.ask(question("hi"), headers={"x-api-key": "boss"})).status_code == 200
    rows = {
        view: (await gateway.get(f"/?view={view}", headers=OPERATOR)).text for view in ("now", "requests", "endpoints", "money")
    }
    assert "No request is under way" in rows["now"]
    assert "<td>healthy</td>" in rows["endpoints"]
    assert "<td>admin-1</td>" in rows["requests"]
    assert "<td>0.000013</td>" in rows["money"]
    asked = (await gateway.get("/?view=requests&tier=deep", headers=OPERATOR)).text
    assert "No request is in the history" in asked

"""A real browser: what pages of other sites can do to a gateway without keys, and what pages of a listed origin can do with one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil

import pytest

from tests.support.fake import Fake, by_wish, whole
from tests.support.live_gateway import endpoint, question, until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")

PAGE = """<!doctype html><title>a page</title><script>
const tell = (name, value) => fetch("/told", {method: "POST", body: JSON.stringify([name, value])});
const attempt = async (name, work) => {
  let value;
  try { value = await work(); } catch (error) { value = String(error); }
  await tell(name, value);
};
(async () => { %s await tell("end", null); })();
</script>"""


def page(script: str):
    return whole((PAGE % script).encode(), headers={"content-type": "text/html"})


async def visit(url: str, tmp_path, *, rules: str = "") -> asyncio.subprocess.Process:
    assert CHROMIUM is not None
    return await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}",
        *([f"--host-resolver-rules={rules}"] if rules else []),
        "--remote-debugging-port=0",
        url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def told_by(site: Fake, script: str, tmp_path, *, host: str = "localhost", rules: str = "") -> dict:
    """What the page with this script, served by `site` under the name `host`, found out."""
    site.models = page(script)
    browser = await visit(f"http://{host}:{site.port}/", tmp_path, rules=rules)
    try:
        await until(lambda: any(one.json[0] == "end" for one in site.requests), within_s=45)
    finally:
        with contextlib.suppress(ProcessLookupError):
            browser.kill()
        await browser.wait()
    return dict(one.json for one in site.requests)


ASK = json.dumps(question("a page asks"))


async def test_a_page_of_another_site_can_neither_ask_nor_read(make_gateway, make_fake, tmp_path):
    fake, site = await make_fake(), await make_fake()
    gateway = await make_gateway([], [endpoint(fake)])
    url = gateway.url
    script = f"""
      await attempt("blob", async () => (await fetch("{url}/v1/chat/completions",
        {{method: "POST", mode: "no-cors", body: new Blob(['{ASK}'])}})).type);
      await attempt("json", async () => (await fetch("{url}/v1/chat/completions",
        {{method: "POST", headers: {{"content-type": "application/json"}}, body: '{ASK}'}})).status);
      await attempt("read", async () => (await fetch("{url}/v1/models")).status);
      await attempt("socket", () => new Promise((done) => {{
        const socket = new WebSocket("{url}/v1/responses".replace("http", "ws"));
        socket.onopen = () => done("open"); socket.onerror = () => done("refused");
      }}));
      await attempt("image", () => new Promise((done) => {{
        const image = new Image(); image.onerror = () => done("refused"); image.onload = () => done("shown"); image.src = "{url}/health";
      }}));
      await attempt("form", () => new Promise((done) => {{
        const frame = document.createElement("iframe"); frame.name = "f"; frame.onload = () => done("sent"); document.body.append(frame);
        const form = document.createElement("form"); form.method = "post"; form.enctype = "text/plain"; form.target = "f";
        form.action = "{url}/chat"; document.body.append(form); form.submit();
      }}));
    """
    told = await told_by(site, script, tmp_path)
    assert told["blob"] == "opaque"  # it was sent, and the page may not see the 403
    assert "Failed to fetch" in told["json"]
    assert "Failed to fetch" in told["read"]
    assert (told["image"], told["socket"]) == ("refused", "refused")
    assert not fake.requests
    assert gateway.metric("octoroute_client_errors_total", code="permission_denied") >= 2


async def test_a_name_that_is_rebound_to_this_machine_reads_nothing(make_gateway, make_fake, tmp_path):
    fake, site = await make_fake(), await make_fake()
    gateway = await make_gateway([], [endpoint(fake)])
    port = gateway.url.rpartition(":")[2]
    rebound = f"http://evil.example:{port}"
    # The page's own origin is the name that now leads to the gateway: the window below is same-origin with its own requests.
    script = f"""
      await attempt("models", async () => (await fetch("{rebound}/v1/models", {{mode: "no-cors"}})).type);
      await attempt("window", () => new Promise((done) => {{
        const frame = document.createElement("iframe"); frame.onload = () => done("loaded"); frame.src = "{rebound}/v1/models";
        document.body.append(frame);
      }}));
    """
    told = await told_by(site, script, tmp_path, host="evil.example", rules="MAP evil.example 127.0.0.1")
    assert told["window"] == "loaded"
    refused = gateway.metric("octoroute_client_errors_total", code="permission_denied")
    assert refused >= 2
    assert not fake.requests


@pytest.mark.parametrize("keys", [[], ["gw-1234567890"]])
async def test_a_listed_page_asks_streams_and_reads_our_headers_and_errors(make_gateway, make_fake, tmp_path, keys):
    fake, site = await make_fake(), await make_fake()
    fake.always(by_wish)
    listed = f"http://localhost:{site.port}"
    gateway = await make_gateway([], [endpoint(fake)], server={"cors_origins": [listed]}, auth={"keys": keys})
    url = gateway.url
    stream = json.dumps(question("a page asks", stream=True))
    script = f"""
      const headers = {{"content-type": "application/json", "authorization": "Bearer gw-1234567890", "x-octoroute-importance": "high"}};
      const ask = (body) => fetch("{url}/v1/chat/completions", {{method: "POST", headers, body, credentials: "include"}});
      await attempt("whole", async () => {{
        const answer = await ask('{ASK}');
        return [answer.status, answer.headers.get("x-octoroute-tier"), (await answer.json()).choices[0].message.content];
      }});
      await attempt("stream", async () => {{
        const answer = await ask('{stream}');
        return [answer.headers.get("x-octoroute-endpoint") !== null, (await answer.text()).includes("[DONE]")];
      }});
      await attempt("error", async () => {{
        const answer = await ask('{{"model": "nowhere", "messages": []}}');
        return [answer.status, answer.headers.get("x-should-retry"), (await answer.json()).error.type];
      }});
      await attempt("route", async () => (await fetch("{url}/v1/nowhere", {{headers}})).status);
    """
    told = await told_by(site, script, tmp_path)
    assert told["whole"] == [200, "balanced", "one two three"]
    assert told["stream"] == [True, True]
    assert told["error"] == [400, "false", "invalid_request_error"]
    assert told["route"] == 404
    assert len(fake.requests) == 2

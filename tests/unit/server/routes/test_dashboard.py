"""The dashboard's page and files; tests/e2e/web has a real browser."""

from __future__ import annotations

import re

import pytest

from octoroute.server.routes.dashboard import PAGES, POLICY, web_files
from tests.support.asgi import row, serving

CLIENTS = [{"name": f"the-{role}", "key": f"key-of-{role}", "role": role} for role in ("viewer", "user", "operator")]
LOCKED = {"auth": {"clients": CLIENTS}}
HTML = {"accept": "text/html,application/xhtml+xml"}
MAX_BYTES = 150_000


def test_all_files_together_are_small_and_name_nothing_elsewhere():
    found = web_files()
    assert sum(len(file.content) for file in found.values()) < MAX_BYTES
    for name, file in found.items():
        text = file.content.decode()
        assert not re.search(r"(?:src|href|import|fetch|url)\W{0,3}https?://", text), name
        assert "innerHTML" not in text, name
        assert "eval(" not in text, name
    modules = {name for file in found.values() for name in re.findall(r'from "\./(\w+\.js)"', file.content.decode())}
    assert modules <= set(found)


async def test_a_browser_signs_in_first_and_comes_back_to_its_page():
    async with serving([row()], tables=LOCKED) as (_, client):
        for headers in (HTML, {**HTML, "x-api-key": "wrong"}, {**HTML, "x-api-key": "key-of-user"}):
            answer = await client.get("/?view=money&by=tier", headers=headers)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F%3Fview%3Dmoney%26by%3Dtier")
    async with serving([row()]) as (_, client):
        assert (await client.get("/", headers=HTML)).headers["location"] == "/login?next=%2F"


async def test_programs_get_name_and_version_as_before():
    async with serving([row()]) as (_, client):
        for accept in ("*/*", "application/json", ""):
            assert (await client.get("/", headers={"accept": accept})).json()["name"] == "octoroute"


@pytest.mark.parametrize("view", [*PAGES, "<script>alert(1)</script>", ""])
async def test_a_page_has_a_strict_policy_and_marks_where_it_is(view):
    async with serving([row()], tables={**LOCKED, "server": {"root_path": "/llm"}}) as (_, client):
        answer = await client.get("/llm/", params={"view": view}, headers={**HTML, "x-api-key": "key-of-viewer"})
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-frame-options"] == "DENY"
        assert "the-viewer" in answer.text
        assert "alert(1)" not in answer.text
        here = view if view in PAGES else "now"
        assert f'<a href="/llm/?view={here}" aria-current="page">' in answer.text
        assert not re.search(r"<script(?! type=\"module\" src=\"/llm/web/)| style=| on\w+=", answer.text)


async def test_files_need_no_key_and_are_asked_for_once():
    async with serving([row()], tables=LOCKED) as (_, client):
        for name, file in web_files().items():
            first = await client.get(f"/web/{name}")
            assert (first.content, first.headers["content-type"]) == (file.content, file.media_type)
            again = await client.get(f"/web/{name}", headers={"if-none-match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        for path in ("/web/index.html", "/web/nothing.js", "/web/..%2Fdashboard.py", "/web/../app.py", "/web/"):
            assert (await client.get(path)).status_code in {401, 404}, path

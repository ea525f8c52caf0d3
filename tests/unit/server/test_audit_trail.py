"""What the HTTP service writes to the audit log."""

from __future__ import annotations

import json

from octoroute.errors import BadRequest, Forbidden, Unauthorized
from octoroute.server.audit_trail import MAX_REFUSALS_PER_MINUTE, AuditTrail


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_changes_and_refusals_are_written_and_other_errors_are_not(tmp_path):
    trail = AuditTrail(tmp_path / "a", lambda: 0.0)
    await trail.changed("boss", "PUT /admin/config", 200, {})
    await trail.changed("boss", "PUT /admin/config", 400, {})
    trail.refused("team", "POST", "/chat", BadRequest("no"))
    trail.refused("team", "POST", "/chat", Forbidden("not here"))
    await trail.close()
    assert [(line["actor"], line["outcome"], line["status"]) for line in lines(tmp_path / "a")] == [
        ("boss", "done", 200),
        ("boss", "failed", 400),
        ("team", "refused", 403),
    ]


async def test_a_stranger_cannot_fill_the_disk(tmp_path):
    now = [0.0]
    trail = AuditTrail(tmp_path / "a", lambda: now[0])
    for _ in range(MAX_REFUSALS_PER_MINUTE + 7):
        trail.refused("", "GET", "/" + "x" * 10_000, Unauthorized("no"))
    now[0] = 61.0
    trail.refused("", "GET", "/", Unauthorized("no"))
    await trail.close()
    found = lines(tmp_path / "a")
    assert len(found) == MAX_REFUSALS_PER_MINUTE + 1
    assert [line["details"]["not_written_before"] for line in found if "not_written_before" in line["details"]] == ["7"]
    assert (tmp_path / "a").stat().st_size < 1000 * len(found)


async def test_a_file_that_cannot_be_written_fails_no_request(tmp_path):
    trail = AuditTrail(tmp_path, lambda: 0.0)
    await trail.changed("boss", "x", 200, {})
    trail.refused("", "GET", "/", Unauthorized("no"))
    await trail.close()

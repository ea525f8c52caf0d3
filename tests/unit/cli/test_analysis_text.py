"""An analysis in a terminal."""

from __future__ import annotations

from octoroute.cli.analysis_text import MAX_LINES, analysis_lines

TREE = {
    "from": "A",
    "to": "B",
    "escalations": [
        {
            "kind": "cascade",
            "check": "length",
            "reason": "cascade",
            "tier": "deep",
            "requests": 30,
            "share": 0.3,
            "cost_usd": "0.06",
        },
        {"kind": "stuck", "tier": "deep", "requests": 5, "share": None, "cost_usd": "0.01"},
        {"kind": "tier_not_available", "asked_for": "fast", "tier": "deep", "requests": 1, "share": 0.5, "cost_usd": "0"},
    ],
    "cost_by_reason": [
        {"strategy": "rule", "reason": "", "requests": 2, "cost_usd": "0.03", "cost_share": None, "cost_per_request_usd": None}
    ],
    "anomalies": {"has_week_before": False, "found": []},
    "unused_endpoints": [{"endpoint": f"e{n}", "model": "m", "tier": "fast", "priority": 1} for n in range(MAX_LINES + 2)],
    "cheaper_tier": [],
}


def test_each_part_is_there():
    text = "\n".join(analysis_lines(TREE))
    assert "30 to deep (30.0% of those tried), $0.06: the cheap answer failed the check length (cascade)" in text
    assert "5 to deep, $0.01: the conversation was stuck" in text
    assert "1 to deep (50.0% of those tried), $0: fast was asked for and had no endpoint that could answer" in text
    assert "$0.03  rule/-: 2 requests" in text
    assert "the history does not go back that far" in text
    assert "and 2 more; --json has them" in text
    assert text.endswith("Candidates for a cheaper tier\n  none")


def test_what_is_unusual_and_cheaper():
    group = {"group": {"key": "ann"}, "what": "requests", "before": 100, "now": 12345}
    cheaper = {
        "key": "",
        "tier": "deep",
        "cheaper_tier": "fast",
        "requests": 120,
        "cost_usd": "1.5",
        "cheaper_cost_usd": "0.1",
        "why": "w",
    }
    text = "\n".join(analysis_lines({**TREE, "anomalies": {"has_week_before": True, "found": [group]}, "cheaper_tier": [cheaper]}))
    assert "key ann: requests 100 before, 12,345 now" in text
    assert "without a key, deep to fast: 120 requests, $1.5, about $0.1 there; w" in text

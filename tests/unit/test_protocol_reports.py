"""Every public report about protocols that was once answered wrongly has tests, and the tests are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = Path("/work/shared/cases/protocol.md")
"""The reports themselves, which are not part of the repository."""
TESTS = {
    "W01": ["behaviour/test_responses_socket.py::test_an_upgrade_where_none_is_served_is_a_426", "behaviour/test_field_reports.py::test_w01_"],
    "Z01": ["behaviour/test_field_reports.py::test_z01_"],
    **{id: [f"behaviour/test_field_reports.py::test_{id.lower()}_"] for id in ("R01", "R02", "R03", "R04", "R07", "R09", "R11", "G01")},
    "A01": ["behaviour/test_returned_thinking.py::test_protocol_a01_"],
    **{id: [f"behaviour/test_content_kept.py::test_protocol_{id.lower()}_"] for id in ("A03", "A04", "A05", "A09")},
    **{id: [f"behaviour/test_servers_that_err.py::test_{id.lower()}_"] for id in ("A10", "A14", "A17", "A20", "A23", "P03", "P04")},
    **{
        id: ["behaviour/test_servers_that_err.py::test_a_call_arrives_as_it_was_meant", "contract/test_tool_calls_arrive.py::test_calls_"]
        for id in ("A12", "A15", "A16")
    },
    **{
        id: [
            "behaviour/test_servers_that_err.py::test_an_error_as_first_event_is_a_failed_attempt_with_its_cause",
            "contract/test_errors_in_answers.py::test_an_error_instead_of_an_answer_is_a_failed_attempt",
        ]
        for id in ("P01", "P02")
    },
    **{id: [f"behaviour/test_structured_output.py::test_{id.lower()}_"] for id in ("O01", "O02")},
    **{id: [f"behaviour/test_model_rules.py::test_{id.lower()}_"] for id in ("O04", "O05", "O07", "O08")},
    "O09": ["behaviour/test_content_kept.py::test_o09_"],
    "O12": ["behaviour/test_content_kept.py::test_o12_"],
    "G03": ["behaviour/test_drawn_images.py::test_g03_"],
}  # fmt: skip


@pytest.mark.parametrize("id", TESTS)
def test_the_tests_of_a_report_exist(id):
    for test in TESTS[id]:
        path, _, name = test.partition("::")
        found = re.findall(r"(?m)^(?:async )?def (test_\w+)", (ROOT / "tests" / path).read_text("utf-8"))
        assert any(one.startswith(name) for one in found), test


@pytest.mark.skipif(not CASES.exists(), reason="the reports are not on this machine")
def test_every_report_has_tests():
    assert set(re.findall(r"(?m)^### ([A-Z]\d+) ", CASES.read_text("utf-8"))) == set(TESTS)

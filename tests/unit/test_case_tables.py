"""Every case of the collections (protocols, operating, security, the audit of health) has tests, and the tests are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = Path("/work/shared/cases")
"""The collections themselves, which are not part of the repository."""
HEALTH, PROBES, PAGES, STOP = (f"behaviour/test_{name}.py::test_" for name in ("health_cases", "probes", "web_pages", "stop"))
PROTOCOL = {
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
OPERATIONS = {
    **{id: [f"{HEALTH}{id.lower()}_"] for id in ("O01", "O02", "O05", "O07", "O08", "O09", "O11", "O12", "O18", "O30", "O31")},
    "O03": [f"{HEALTH}o03_f3_", "unit/balancing/test_health.py::test_o03_"],
    "O04": ["unit/runtime/test_health_check.py::test_o04_", "unit/balancing/test_health.py::test_o04_"],
    "O14": [f"{PAGES}a_preflight_of_a_listed_page", f"{PAGES}a_listed_page_may_read_", f"{PAGES}nothing_of_cors_while"],
    "O15": [f"{PAGES}a_page_of_another_site_gets_403", "e2e/test_chromium.py::test_"],
    "O16": ["behaviour/test_compressed_requests.py::test_a_compressed_request_is_answered_like_a_plain_one"],
    "O17": [f"{PROBES}o17_", "unit/runtime/test_health_check.py::test_o17_"],
    "O20": ["e2e/test_workers.py::test_o20_the_gauges_", "e2e/test_workers.py::test_o20_nothing_stays_"],
    "O21": ["unit/config/test_file.py::test_o21_"],
    "O22": [f"{STOP}o22_"],
    "O23": ["behaviour/test_connections.py::test_o23_"],
    "O24": ["unit/config/test_advice.py::test_o24_"],
    "O26": [f"{PAGES}every_route_is_below_the_root_path", f"{PAGES}nothing_is_outside_the_root_path"],
    "O27": ["unit/config/test_env_file.py::test_dotenv_values", "unit/config/test_env_file.py::test_o27_"],
    "O33": ["unit/upstream/transports/native/test_pool.py::test_o33_"],
    "O37": ["behaviour/test_budgets.py::test_a_key_has_limits_of_its_own_and_its_group_has_some"],
}
SECURITY = {
    "1": [
        "behaviour/test_large_requests.py::test_schemas_that_were_shortened_are_named",
        "unit/dialects/request/test_schema_references.py::test_visits_are_counted",
    ],
    "2": [f"{HEALTH}s02_f5_", f"{PROBES}s02_"],
    "3": [f"{PAGES}a_page_of_another_site_gets_403", f"{PAGES}a_head_that_is_not_http_1_1", "e2e/test_chromium.py::test_"],
    "4": ["unit/dialects/request/test_schema_cache.py::test_it_gives_what_is_built_and_never_keeps_more_than_its_bytes"],
    "5": ["behaviour/test_connections.py::test_security_5_"],
    "6": ["unit/upstream/transports/native/test_connector.py::test_s06_"],
    "7": ["behaviour/test_large_requests.py::test_others_are_served_while_", "behaviour/test_large_requests.py::test_more_"],
    "8": [
        f"{STOP}a_client_that_uses_its_connection_seconds_after",
        f"{STOP}half_a_head_",
        f"{STOP}an_idle_connection_ends_with_an_end",
    ],
    "9": [
        f"{STOP}a_stopped_worker_",
        f"{STOP}a_second_signal_",
        "unit/server/test_workers.py::test_a_worker_that_runs_no_python",
        "unit/server/test_watchdog.py::test_a_process_in_native_code",
    ],
    "10": [f"{STOP}security_10_"],
    "11": [f"{STOP}security_11_"],
    "12": ["behaviour/test_connections.py::test_security_12_", "unit/runtime/test_traffic_log.py::test_every_"],
    "13": [f"{PAGES}white_space_after_a_header_is_no_part_of_it"],
    "14": [f"{STOP}security_14_"],
    "15": [
        f"{HEALTH}s15_",
        "behaviour/test_compressed_requests.py::test_another_coding_is_a_415",
        f"{PAGES}a_target_that_is_too_long_",
        f"{PAGES}large_headers_of_an_upstream_",
        f"{PAGES}no_answer_may_be_taken_for_another_type",
        f"{PAGES}a_path_below_health_",
        "unit/config/test_advice.py::test_security_15_",
        "unit/test_requirements.py::test_a_lock_is_pins_with_hashes",
    ],
}
AUDIT = {
    "F3": ["behaviour/test_circuits.py::test_f3_", f"{HEALTH}o03_f3_", f"{HEALTH}f3_"],
    "F4": [f"{HEALTH}f4_auto_moves_on", f"{HEALTH}f4_a_trial_costs_no_client_its_answer"],
    "F5": [f"{HEALTH}o08_f5_", f"{HEALTH}s02_f5_", f"{HEALTH}o09_f5_"],
    "F6": [f"{HEALTH}f6_", "unit/server/routes/test_provider_status.py::test_f6_"],
    "F9": [
        "unit/runtime/test_health_check.py::test_o17_",
        f"{HEALTH}f9_a_lone_endpoint",
        "unit/cli/test_logs.py::test_f9_",
        "unit/cli/test_calibrate.py::test_f9_",
        "unit/config/test_advice.py::test_f9_a_shadow_without_a_judge",
        "unit/cli/test_live.py::test_f9_",
        "unit/config/test_advice.py::test_f9_a_missing_ca_file",
    ],
}
_ATTACKS = "behaviour/test_known_attacks.py::test_"
INCIDENTS = {
    "LiteLLM 1.82.7": [
        "unit/test_wheel.py::test_anything_else_is_told",
        "unit/test_requirements.py::test_a_lock_is_pins_with_hashes",
    ],
    "TanStack, mistralai": ["unit/test_requirements.py::test_a_lock_is_pins_with_hashes", "unit/test_sbom.py::test_every_pin_is_"],
    "CVE-2026-35030": ["behaviour/test_tokens.py::test_tokens_that_differ_in_one_character_are_different_clients"],
    "CVE-2026-42208": [
        "behaviour/test_stored_keys.py::test_no_text_of_a_key_",
        f"{_ATTACKS}sql_is_constant_text_with_bound_values",
    ],
    "CVE-2026-42203": [f"{_ATTACKS}a_template_in_a_request_is_text"],
    "CVE-2026-42271": [f"{_ATTACKS}no_code_runs_commands_templates_or_text_as_code"],
    "CVE-2026-48710": [f"{_ATTACKS}no_host_opens_a_route", f"{_ATTACKS}no_spelling_of_a_path_opens_an_admin_route"],
    "CVE-2026-12772": [
        "unit/access/test_session.py::test_a_session_that_was_ended_",
        f"{_ATTACKS}a_key_that_is_taken_away_is_refused",
    ],
    "CVE-2025-66405": [f"{_ATTACKS}no_header_chooses_an_address", f"{_ATTACKS}parts_of_an_address_are_checked"],
    "GHSA-w98g-5w9p-p3rc": [f"{_ATTACKS}no_address_in_a_request_is_fetched", f"{_ATTACKS}no_redirect_of_an_upstream_is_followed"],
    "GHSA-6x2c-phff-wx57": [f"{_ATTACKS}no_route_that_reads_shows_a_secret"],
    "litellm PR#39559": [f"{_ATTACKS}a_stored_response_belongs_to_the_key_that_made_it"],
}
"""What went wrong in other gateways in 2025 and 2026."""
TABLES = {"protocol": PROTOCOL, "operations": OPERATIONS, "security": SECURITY, "acceptance": AUDIT}
EVERY = {**TABLES, "incidents": INCIDENTS}
HEADINGS = {
    "protocol": r"### ([A-Z]\d+) ",
    "operations": r"### (O\d+)\. ",
    "security": r"## (\d+)\. ",
    "acceptance": r"### (F[34569]) ",
}


@pytest.mark.parametrize(("table", "id"), [(table, id) for table, tests in EVERY.items() for id in tests])
def test_the_tests_of_a_case_exist(table, id):
    for test in EVERY[table][id]:
        path, _, name = test.partition("::")
        found = re.findall(r"(?m)^(?:async )?def (test_\w+)", (ROOT / "tests" / path).read_text("utf-8"))
        assert any(one.startswith(name) for one in found), test


@pytest.mark.skipif(not CASES.exists(), reason="the cases are not on this machine")
@pytest.mark.parametrize("table", TABLES)
def test_every_case_has_tests(table):
    assert set(re.findall(f"(?m)^{HEADINGS[table]}", (CASES / f"{table}.md").read_text("utf-8"))) == set(TABLES[table])

"""The laws of `tests/support/laws` on inputs that were good once; `python tests/torture/fuzz.py` looks for longer, and is guided."""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from octoroute.cli.init import model_names
from octoroute.config.file import ConfigFile
from octoroute.dialects.openai.logprobs import read_margins
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.multipart import MultipartBody
from octoroute.dialects.request.schema_references import SchemaReferences
from octoroute.dialects.response import sse
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.model import load
from octoroute.telemetry.traffic_log.reader import read as read_line
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.upstream.readers import DecodingReader
from octoroute.upstream.transports.native.exchange import ClientExchange
from tests.support.laws import LAWS
from tests.support.laws.mutation import mutated
from tests.torture import fuzz

SEEDS = {name: list(law.seeds()) for name, law in LAWS.items()}
SOME = settings(
    max_examples=int(os.environ.get("OCTOROUTE_EXAMPLES", "300")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize("name", LAWS)
def test_good_inputs_obey(name):
    for seed in SEEDS[name]:
        LAWS[name].check(seed)


@pytest.mark.parametrize("name", LAWS)
@SOME
@given(chance=st.integers(0, 2**32))
def test_so_do_inputs_that_are_nearly_good(name, chance):
    rng = Random(chance)
    data = mutated(rng.choice(SEEDS[name]), rng, LAWS[name].words, rng.choice(SEEDS[name]))
    note(repr(data))
    LAWS[name].check(data)


@pytest.mark.parametrize("name", LAWS)
@SOME
@given(data=st.binary(max_size=60))
def test_so_does_noise(name, data):
    LAWS[name].check(data)


def test_every_law_is_fuzzed():
    assert list(fuzz.TARGETS) == list(LAWS)


@pytest.mark.parametrize(
    ("name", "part", "method", "fault"),
    [
        ("streams", sse.FrameSplitter, "feed", lambda self, data: data),
        ("requests", RequestBody, "with_values", lambda self, changes: b'{"model":%b}' % changes["model"]),
        ("http", ClientExchange, "undo_encoding", lambda self: 1 / 0),
        ("answers", DecodingReader, "read_body", lambda self, body: ()),
        ("schemas", SchemaReferences, "visit", lambda self, nodes=1: 1 / 0),
        ("bodies", MultipartBody, "with_model", lambda self, model: b"--x--"),
        ("configuration", ConfigFile, "propose", lambda self, text, language: 1 / 0),
    ],
)
def test_what_breaks_a_law_is_found(monkeypatch, name, part, method, fault):
    monkeypatch.setattr(part, method, fault, raising=False)
    with pytest.raises((AssertionError, ArithmeticError, LookupError)):
        for seed in SEEDS[name]:
            LAWS[name].check(seed)


NO_UTF8 = (b'{"a":"\xff","object":"\xff","data":"\xff","input_tokens":"\xff"}', b'{"\xff":1}', b'{"a":"\xed\xa0\x80"}', b'["\xc3"]')


@pytest.mark.parametrize("data", NO_UTF8)
def test_bytes_that_are_no_utf8_are_as_other_bytes_that_are_no_json(data, tmp_path):
    """msgspec says it with UnicodeDecodeError up to 0.22 and with DecodeError from 0.23 on."""
    assert read_margins(b'{"choices":[{"logprobs":{"content":[{"token":"\xff","top_logprobs":[]}]}}]}', stream=False) == []
    assert model_names(data) == ()
    assert read_line(data) is None
    assert isinstance(Redaction().body(data, 1000), str)
    artefact = tmp_path / "artefact.json"
    artefact.write_bytes(data)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(artefact)

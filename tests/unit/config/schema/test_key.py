from typing import Annotated

import msgspec
import pytest

from octoroute.config.reader import ConfigReader
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.key import Names, fields, tables
from octoroute.domain.option import Key, Table


class InnerTable(Table, frozen=True, kw_only=True):
    size: Annotated[int, Key("bytes", low=1)] = 5


class OuterTable(Table, frozen=True, kw_only=True):
    pause_s: Annotated[float, Key("the pause")] = msgspec.field(default=2.0, name="pause_seconds")
    inner: Annotated[tuple[InnerTable, ...] | None, Key("inner tables")] = None
    words: Annotated[list[str], Key("words")] = msgspec.field(default_factory=list[str])
    step_s: float = 0.1


def test_a_key_has_its_wire_name_its_attribute_its_type_and_its_default():
    pause, inner, words = fields(OuterTable)
    assert (pause.name, pause.attribute, pause.hint, pause.default, pause.key.doc) == (
        "pause_seconds",
        "pause_s",
        float,
        2.0,
        "the pause",
    )
    assert (inner.name, inner.attribute, inner.default) == ("inner", "inner", None)
    assert words.default == []


def test_a_field_without_documentation_is_no_key():
    assert "step_s" not in {field.attribute for field in fields(OuterTable)}
    reader = ConfigReader(Names(kinds=()), {})
    assert reader.table(OuterTable, {"step_s": 9.0, "pause_s": 9.0, "pause_seconds": 3.0}, "t") == OuterTable(pause_s=3.0)
    assert [path for path, _ in reader.problems] == ["t.step_s", "t.pause_s"]


def test_tables_inside_lists_optionals_and_mappings_are_found_once():
    assert tables(OuterTable) == (OuterTable, InnerTable)
    found = tables(FileTable)
    assert found[0] is FileTable
    assert len(found) == len(set(found))
    assert {"ProviderTable", "TlsTable", "Price", "TrafficShares", "RetryPolicy"} <= {table.__name__ for table in found}


@pytest.mark.parametrize("table", tables(FileTable), ids=lambda table: table.__name__)
def test_every_table_has_one_name_a_description_and_keys_that_explain_themselves(table):
    assert table.__doc__
    assert table.__doc__ != Table.__doc__
    for field in fields(table):
        assert field.key.doc or table is FileTable
        assert "\n" not in field.key.doc
    assert [other for other in tables(FileTable) if other.__name__ == table.__name__] == [table]

"""`octoroute config`: the template, on standard output or in a new file."""

from __future__ import annotations

from octoroute.cli import main


def test_the_template_goes_to_standard_output_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["config", "-c", "does-not-exist.toml"]) == 0
    streams = capsys.readouterr()
    assert streams.out.startswith("# octoroute configuration\n")
    assert streams.err == ""
    assert list(tmp_path.iterdir()) == []


def test_the_template_is_written_once_and_never_over_something(capsys, tmp_path):
    path = tmp_path / "new.toml"
    assert main(["config", "-o", str(path)]) == 0
    streams = capsys.readouterr()
    assert streams.out == ""
    assert f"--config {path}" in streams.err
    assert main(["check", "-c", str(path)]) == 0
    path.write_text("mine")
    for taken in (path, tmp_path):
        assert main(["config", "-o", str(taken)]) == 1
        assert "already exists; remove it" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["config", "-o", str(tmp_path / "no" / "c.toml")]) == 1
    assert "does not exist; create it first" in capsys.readouterr().err
    assert main(["config", "-o", str(path / "c.toml")]) == 1
    assert main(["config", "-o", "\0"]) == 1

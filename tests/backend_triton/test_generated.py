"""Generated modules: one file per content, written whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from kusari.backend.generated import cache_folder
from kusari_triton import generated


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUSARI_CACHE", str(tmp_path))
    generated.load.cache_clear()
    return tmp_path / "triton"


def test_equal_sources_share_a_file(folder: Path) -> None:
    assert generated.load("one", "value = 1\n").value == 1
    assert generated.load("one", "value = 2\n").value == 2
    generated.load.cache_clear()
    assert generated.load("one", "value = 1\n").value == 1
    assert len(list(folder.iterdir())) == 2


def test_a_file_that_was_changed_is_written_anew(folder: Path) -> None:
    generated.load("one", "value = 1\n")
    (file,) = folder.iterdir()
    for content in (b"value = 7\n", b"value", b"\xff\xfe"):
        file.write_bytes(content)
        generated.load.cache_clear()
        assert generated.load("one", "value = 1\n").value == 1
    assert file.read_text() == "value = 1\n"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KUSARI_CACHE", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="set KUSARI_CACHE"):
        generated.load("other", "value = 3\n")


def test_the_default_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUSARI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder("triton") == Path("/somewhere/kusari/triton")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("triton") == Path.home() / ".cache" / "kusari" / "triton"

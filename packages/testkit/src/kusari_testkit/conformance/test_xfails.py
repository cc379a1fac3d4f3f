"""Every entry of the xfails file names a test; that what it names fails is asserted there."""

from __future__ import annotations

import pytest

from kusari_testkit.plugin import UNMATCHED, entries
from kusari_testkit.xfails import read_xfails


def test_every_entry_names_a_test(request: pytest.FixtureRequest) -> None:
    config = request.config
    unmatched = config.stash[UNMATCHED]
    lines = [f"{entry.where}: {entry.name}  # {entry.text}" for entry in unmatched]
    count = len(entries(config, "kusari_xfails", read_xfails))
    assert not lines, f"{len(lines)} of {count} entries name no test of this run:\n" + "\n".join(lines)

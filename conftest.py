"""What every test finds: the names that docstring examples use, and the examples of the Markdown pages as tests."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

# A busy machine must not fail a property.
hypothesis.settings.register_profile("kusari", deadline=None)
hypothesis.settings.load_profile("kusari")

# ```python blocks of one page run in order in one namespace; <!-- skip: next --> leaves one out.
pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "packages/*/README.md"],
).pytest()


@pytest.fixture(autouse=True)
def _example_names(request: pytest.FixtureRequest) -> None:
    """Give docstring examples ``np``, ``kusari``, ``F``, ``L`` and ``get_backend`` without an import."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    import kusari
    import kusari.functions as F
    import kusari.links as L
    from kusari.backend import get_backend

    names = request.getfixturevalue("doctest_namespace")
    names.update(np=np, kusari=kusari, F=F, L=L, get_backend=get_backend)

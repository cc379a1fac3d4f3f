"""The check that keeps NumPy and backend names above the seam out: it holds, and it catches what is planted."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "check_backend_names.py"


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_backend_names", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


check = load_tool()


def rules(source: str, file: str = "functions/planted.py") -> list[str]:
    return [violation.rule for violation in check.check_source(textwrap.dedent(source), file)]


def test_the_tree_keeps_the_rule() -> None:
    violations, unused = check.check_tree(check.CORE, tomllib.loads(check.ALLOWED.read_text()))
    assert [str(violation) for violation in violations] == []
    assert unused == []


def test_every_allowance_has_a_reason() -> None:
    allowed = tomllib.loads(check.ALLOWED.read_text())
    assert set(allowed) <= {"numpy", "names"}
    assert all(reason.strip() for entries in allowed.values() for reason in entries.values())


@pytest.mark.parametrize(
    "source",
    [
        "import numpy",
        "import numpy as np",
        "import numpy.random",
        "from numpy import float32",
        "from numpy.lib import stride_tricks",
        "from kusari.elsewhere import numpy",
        "def forward(x):\n    import numpy as np",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import numpy as np",
    ],
)
def test_numpy_imports_are_caught(source: str) -> None:
    assert rules(source) == ["numpy"]


@pytest.mark.parametrize(
    "source",
    [
        "import cupy",
        "from kusari_triton import kernels as triton",
        "xp = cupy",
        "y = module.cuda",
        "def to_intel64(x): ...",
        "class CupyHook: ...",
        "class CUDAHook: ...",
        "def f(use_cudnn): ...",
        "f(use_cudnn=1)",
        "if backend.name == 'cupy': y = 1",
        "device = f'cupy:{index}'",
        "device = '@cupy:0'",
        "kind = 'strict'",
        "key = 'use_cudnn'",
        "isinstance(x, types['numpy.ndarray'])",
    ],
)
def test_backend_names_are_caught(source: str) -> None:
    assert set(rules(source)) == {"names"}


@pytest.mark.parametrize(
    "source",
    [
        '"""NumPy and cupy may be named here."""',
        'def f():\n    "cupy"',
        "# cupy\nx = 1",
        "raise ValueError('cupy')",
        "raise ValueError(f'cupy:{index} is not there')",
        "message = 'install cupy or numpy'",
        "zip(a, b, strict=True)",
        "occupied = accumulate(x)",
        "from kusari.types import Array",
        "if TYPE_CHECKING:\n    import numpy as np\ndef dtype(self) -> np.dtype: ...",
    ],
)
def test_prose_and_other_words_pass(source: str) -> None:
    assert rules(source) == []


def test_allowances_cover_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "digits.py").write_text("import numpy\n")
    (tmp_path / "links.py").write_text("import numpy\nimport cupy\n")
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "host.py").write_text("import numpy\n")

    violations, unused = check.check_tree(tmp_path, {"numpy": {"datasets/": "host side", "gone.py": "host side"}})

    assert [(violation.file, violation.line, violation.rule) for violation in violations] == [
        ("links.py", 1, "numpy"),
        ("links.py", 2, "names"),
    ]
    assert unused == ["[numpy] gone.py"]

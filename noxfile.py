"""The project's commands: ``nox -s demo`` and ``nox -s tests``; ``nox -l`` lists the rest.

Needs Python 3.11 or newer and an index to install from. What the tests require is listed here and nowhere else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
WHEELS = ROOT / "dist"
PACKAGES = ("core", "backend-numpy", "backend-cupy", "backend-triton", "testkit")
SOURCES = [str(ROOT / "packages" / package / "src") for package in PACKAGES]

TEST_TOOLS = [
    "array-api-strict>=2.6",
    "h5py>=3.11",
    "hypothesis",
    "ml_dtypes",
    "opt_einsum>=3.4",
    "pillow",
    "pooch>=1.8",
    "pytest",
    "pytest-xdist",
    "safetensors>=0.4.4",
    "scipy",
    "sybil>=9",
]
EXAMPLE_TOOLS = ["matplotlib", "scikit-learn"]  # the demo's plot and its digits
NVRTC = ["cupy-cuda12x>=14", "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-runtime-cu12"]  # NVIDIA's compiler, and its headers
TRITON = "triton==3.6.0"  # the release whose interpreter and code the tests have been run against
LOWEST = [
    "numpy==2.1.*",
    "pluggy==1.6.*",
    "rich==13.0.*",
    "matplotlib==3.9.*",
    "pyparsing==3.2.*",  # matplotlib 3.9 uses names that later ones warn of
    "ml_dtypes==0.5.*",
    "scikit-learn==1.5.*",
    "scipy==1.14.*",
]

# There is a test worker for each core already, and one BLAS thread adds up in the same order everywhere.
# Portable code is promised to need no more than this version of the standard.
TEST_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ARRAY_API_STRICT_API_VERSION": "2024.12",
}


# The template's own test of conformance would run the kit a second time.
TEMPLATE_KIT = "examples/backend-template/tests/test_conformance.py::test_conformance"


class Leg(NamedTuple):
    """One backend's part of the matrix: what is installed, and what is run on it."""

    plugins: tuple[str, ...]  # packages, with extras, beside core and testkit
    tests: tuple[str, ...]  # paths given to pytest
    examples: tuple[str, ...]  # pages, and import packages whose docstrings have examples, that run as tests
    conformance: str  # the backend that the kit is asked to judge
    kit_size: str = "full"
    cases: tuple[str, ...] = ()  # only these cases of the kit; none: all
    requirements: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


LEGS = {
    # Without numba: everything has to work on plain NumPy.
    "numpy": Leg(
        plugins=("backend-numpy", "backend-cupy"),
        tests=("tests", "--ignore=tests/backend_triton"),
        examples=("README.md", "docs", "tools", "kusari", "kusari_numpy", "kusari_cupy", "kusari_testkit"),
        conformance="numpy",
        requirements=tuple(EXAMPLE_TOOLS),
    ),
    "fast": Leg(
        plugins=("backend-numpy[fast]",),
        tests=("tests/backend_numpy", "tests/matrix"),
        examples=("kusari_numpy",),
        conformance="numpy",
        kit_size="small",
    ),
    "strict": Leg(
        plugins=("backend-numpy",),
        tests=("examples/backend-template", "tests/matrix", "tests/examples", "--deselect", TEMPLATE_KIT),
        examples=(),
        conformance="strict",
        requirements=("./examples/backend-template",),
    ),
    "triton-interpret": Leg(
        plugins=("backend-numpy", "backend-cupy", "backend-triton"),
        tests=("tests/backend_triton", "tests/matrix"),
        examples=("kusari_triton",),
        conformance="triton-interpret",
        kit_size="small",  # the interpreter takes milliseconds a launch
        cases=(
            "relu",
            "sigmoid",
            "tanh",
            "Convolution:",
            "MLPConvolution:",
            "Normalization:",
            "SoftmaxCrossEntropy:",
            "LSTM:",
            "sgd",
            "adam",
        ),
        requirements=(TRITON,),
        environment=(("TRITON_INTERPRET", "1"),),
    ),
}
CUDA = os.environ.get("KUSARI_TEST_CUDA", "cuda13")
GPU_LEGS = {
    "cupy": Leg(
        plugins=("backend-numpy", f"backend-cupy[{CUDA}]"),
        tests=("tests/backend_cupy", "tests/matrix"),
        examples=(),
        conformance="cupy",
    ),
    "triton": Leg(
        plugins=("backend-numpy", f"backend-cupy[{CUDA}]", "backend-triton"),
        tests=("tests/backend_triton", "tests/matrix"),
        examples=(),
        conformance="triton",
    ),
}
if shutil.which("nvidia-smi"):
    LEGS |= GPU_LEGS


def usable_pythons() -> list[str]:
    """Return the versions that core declares and that this machine can run, lowest first."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    if versions.is_dir():  # pyenv puts every version on PATH, and refuses to run those that this variable does not name
        os.environ.setdefault("PYENV_VERSION", ":".join(sorted(path.name for path in versions.glob("3.*"))))
    declared = nox.project.python_versions(nox.project.load_toml(ROOT / "packages" / "core" / "pyproject.toml"))
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [version for version in declared if version == own or runs(f"python{version}")]


def runs(python: str) -> bool:
    """Say whether this interpreter starts and can make an environment."""
    if shutil.which(python) is None:
        return False
    command = [python, "-c", "import ensurepip, venv"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


PYTHONS = usable_pythons()
if not PYTHONS:
    raise SystemExit("Kusari needs Python 3.11 or newer: make .venv with one, for example `python3.12 -m venv .venv`.")
# Plain NumPy on the oldest Python and the newest; the rest, which costs more, on the newest.
MATRIX = {f"{PYTHONS[0]}-numpy": (PYTHONS[0], "numpy"), **{f"{PYTHONS[-1]}-{leg}": (PYTHONS[-1], leg) for leg in LEGS}}


def install(session: nox.Session, *packages: str, requirements: tuple[str, ...] | list[str] = ()) -> None:
    """Install the wheels of ``packages`` (``core``, ``backend-numpy[fast]``, …) and what they and the session need."""
    built, requested = [], []
    for package in packages:
        name, bracket, extras = package.partition("[")
        distribution = "kusari" if name == "core" else f"kusari_{name.replace('-', '_')}"
        (wheel,) = WHEELS.glob(f"{distribution}-*.whl")
        built.append(str(wheel))
        requested.append(f"{wheel}{bracket}{extras}")
    # In a reused environment pip would keep the last build, whose version is the same.
    session.install("--force-reinstall", "--no-deps", *built)
    session.install(*requested, *requirements)


@nox.session(default=False)
def wheels(session: nox.Session) -> None:
    """Build the wheel of every package into dist/, once for all the sessions that install from there."""
    session.install("hatchling>=1.27")
    shutil.rmtree(WHEELS, ignore_errors=True)
    sources = [f"./packages/{package}" for package in PACKAGES]
    session.run("pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(WHEELS), *sources)


@nox.session(requires=["wheels"])
def demo(session: nox.Session) -> None:
    """Train an MLPConvolution2D network on scanned digits, on the CPU, in a minute or so."""
    install(session, "core", "backend-numpy[fast]", requirements=EXAMPLE_TOOLS)
    session.run("python", "examples/digits/train.py", *session.posargs)


@nox.session(requires=["wheels"])
@nox.parametrize("python,backend", list(MATRIX.values()), ids=list(MATRIX))
def tests(session: nox.Session, backend: str) -> None:
    """Run the tests, the docstring examples and the conformance suite on installed wheels, one backend at a time."""
    leg = LEGS[backend]
    install(session, "core", "testkit", *leg.plugins, requirements=[*TEST_TOOLS, *leg.requirements])
    environment = TEST_ENVIRONMENT | dict(leg.environment)
    if session.posargs:
        session.run("pytest", *session.posargs, env=environment)
        return
    session.run("pytest", "-n", "2", *leg.tests, env=environment)
    if "tests" in leg.tests:
        session.run("pytest", "-m", "processes", "tests/core", env=environment)
    if leg.examples:  # in one process: the blocks of a page build on one another
        # What is compiled has no examples, and needs numba, which this leg may lack.
        pages = ["--doctest-modules", "--ignore-glob=*/kusari_numpy/compiled/*", "--pyargs", *leg.examples]
        session.run("pytest", *pages, env=environment)
    size = leg.kit_size if session.python == PYTHONS[-1] else "small"
    kit = ["--pyargs", "kusari_testkit.conformance", "--backend", leg.conformance, "--kit-size", size]
    kit += [word for case in leg.cases for word in ("--case", case)]
    session.run("pytest", "-n", "2", *kit, env=environment)


@nox.session(python=PYTHONS[0], requires=["wheels"])
def minimal(session: nox.Session) -> None:
    """Run the core's tests on the lowest versions that the packages declare, without numba."""
    install(session, "core", "backend-numpy", "testkit", requirements=[*TEST_TOOLS, *EXAMPLE_TOOLS, *LOWEST])
    session.run("pytest", "-n", "2", "tests/core", "tests/backend_numpy", *session.posargs, env=TEST_ENVIRONMENT)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, layers and that no backend is named above the seam."""
    session.install("ruff", "import-linter")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": os.pathsep.join(SOURCES)})
    session.run("python", "tools/check_backend_names.py")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of every package, strictly."""
    session.install("mypy", "numpy>=2.1", "pluggy>=1.6", "rich>=13", "hypothesis", "ml_dtypes", "pytest")
    session.run("mypy", *session.posargs)


@nox.session(requires=["wheels"])
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html; a warning is an error."""
    install(session, "core", "backend-numpy", requirements=["sphinx", "myst-parser"])
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session(requires=["wheels"])
def compile(session: nox.Session) -> None:
    """Compile every shipped GPU kernel for sm_80 and sm_90, without a GPU, and check what came out."""
    packages = ("core", "backend-numpy", "backend-cupy", "backend-triton")
    install(session, *packages, requirements=[TRITON, "ml_dtypes", "hypothesis", "pytest", "sybil>=9", *NVRTC])
    session.run("python", "-m", "kusari_triton.compile_check", *session.posargs)
    session.run("python", "-c", "from cupy.cuda import nvrtc; print('NVRTC', nvrtc.getVersion())")  # else tests skip
    session.run("pytest", "tests/backend_cupy/test_nvrtc.py")


@nox.session(default=False, requires=["wheels"])
def bench(session: nox.Session) -> None:
    """Time everything against PyTorch on this machine; figures go to benchmarks/results/, the plot to docs/.

    What follows ``--`` goes to benchmarks/cpu.py: ``--original PYTHON`` adds the original's column.
    """
    install(session, "core", "backend-numpy[fast]", requirements=["torch==2.13.0", "hypothesis", "matplotlib>=3.9"])
    results = "benchmarks/results"
    scripts = {
        "overhead": ["--json", f"{results}/overhead-cpu.json"],
        "trainer_overhead": [],
        "data_loading": ["--json", f"{results}/data_loading.json"],
        "sequence": ["--json", f"{results}/sequence-cpu.json"],
        "scaling": ["--json", f"{results}/scaling-cpu.json", "--plot", "docs/scaling-cpu.svg"],
        "cpu": ["--json", f"{results}/cpu.json", *session.posargs],
    }
    failed = []
    for name, options in scripts.items():
        environment = {"OPENBLAS_NUM_THREADS": "2"} if name == "sequence" else {}
        try:
            session.run("python", f"benchmarks/{name}.py", *options, env=environment)
        except CommandFailed:  # a limit is exceeded, most likely: the other figures are wanted all the same
            failed.append(name)
    if failed:
        session.error(f"failed, or over a limit: {', '.join(failed)}")


@nox.session(default=False, venv_backend="none")
def develop(session: nox.Session) -> None:
    """Install the packages editable, with all test tools, into the environment that nox itself runs in."""
    editable = [argument for package in PACKAGES for argument in ("-e", f"./packages/{package}")]
    tools = [*TEST_TOOLS, *EXAMPLE_TOOLS, TRITON, "numba", "threadpoolctl", "ruff", "mypy", "import-linter"]
    session.run(sys.executable, "-m", "pip", "install", "-q", *editable, *tools)

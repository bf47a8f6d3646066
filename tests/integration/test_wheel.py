"""The wheel, installed where there is neither cargo nor a compiler."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE_LIMIT_BYTES = 60_000_000
INSTALLERS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "sfukit")

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with what `make setup` has compiled already."""
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, ROOT], check=True)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_has_the_assets_of_html_reports_with_their_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for asset in ("uPlot.iife.min.js", "uPlot.LICENSE", "report.css", "plots.js", "heat_map.js"):
        assert f"sfukit/htmlreport/assets/{asset}" in names


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the locked base packages, nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    constraints = folder / "constraints.txt"
    locked = re.findall(
        r"^\S+==.*?(?= \\$)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    constraints.write_text("\n".join(locked))
    venv.create(folder / "venv", with_pip=True)
    run_bare(folder / "venv", "pip", "install", "--quiet", "--constraint", constraints, wheel)
    return folder / "venv"


def run_bare(environment: Path, program: str, *arguments: object) -> str:
    """Run a program of the environment with a path that holds nothing but its own programs."""
    programs = environment / "bin"
    kept = {name: os.environ[name] for name in os.environ if name.lower().startswith("pip_")}
    result = subprocess.run(
        [programs / program, *map(str, arguments)],
        env={**kept, "PATH": str(programs), "HOME": str(environment)},
        cwd=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_wheel_is_for_every_python_from_3_11(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name


def test_the_source_distribution_holds_all_that_a_wheel_is_built_of(tmp_path: Path) -> None:
    make = "import sys, sfukit_build; sfukit_build.build_sdist(sys.argv[1])"
    search = {"PYTHONPATH": str(ROOT / "build_backend"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", make, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=os.environ | search, check=True, capture_output=True)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        held = {name.partition("/")[2] for name in packed.getnames()}
    needed = {"Cargo.toml", "Cargo.lock", "pyproject.toml", "build_backend/sfukit_build.py"}
    for pattern in ("sfukit/**/*", "crates/*/Cargo.toml", "crates/*/src/**/*"):
        needed |= {str(file.relative_to(ROOT)) for file in ROOT.glob(pattern) if file.is_file()}
    assert {file for file in needed - held if not file.endswith((".pyc", ".so"))} == set()


def test_the_base_packages_stay_small(empty: Path) -> None:
    [packages] = empty.glob("lib/python*/site-packages")
    sizes = {
        top.name: sum(f.stat().st_size for f in top.rglob("*") if f.is_file())
        for top in packages.iterdir()
        if not top.name.startswith(INSTALLERS)
    }
    assert sum(sizes.values()) <= BASE_LIMIT_BYTES, sorted(sizes.items(), key=lambda x: -x[1])[:5]


def test_nothing_but_the_package_is_in_the_wheel(empty: Path) -> None:
    [record] = empty.glob("lib/python*/site-packages/sfukit-*.dist-info/RECORD")
    tops = {line.split(",")[0].split("/")[0] for line in record.read_text().splitlines()}
    assert {top for top in tops if not top.startswith("sfukit") and top != ".."} == set()
    for shipped in ("media/clips/vp8-720p30.ivf", "server/web/index.html", "py.typed"):
        assert f"sfukit/{shipped}," in record.read_text()


def test_the_command_answers_and_loads_a_server(empty: Path) -> None:
    assert run_bare(empty, "sfukit", "--version").startswith("sfukit ")
    assert "PASS" in run_bare(empty, "sfukit", "loadtest", "-c", "4", "--duration", "5s")

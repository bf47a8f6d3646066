"""A missing build tool is named with the way to install it, before anything is built."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACK_END = ROOT / "build_backend" / "sfukit_build.py"


def check(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BACK_END, "check"],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def stand_in(folder: Path, name: str, says: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def test_a_bare_machine_is_told_all_that_is_missing(tmp_path: Path) -> None:
    refused = check(tmp_path)
    assert refused.returncode == 1
    assert "cargo (Rust) is missing: install Rust" in refused.stderr
    assert "a C and C++ compiler is missing (c++, cc)" in refused.stderr


def test_an_old_compiler_of_rust_is_named(tmp_path: Path) -> None:
    for name in ("cargo", "cc", "c++"):
        stand_in(tmp_path, name, "")
    stand_in(tmp_path, "rustc", "rustc 1.70.0 (90c541806 2023-05-31)")
    refused = check(tmp_path)
    assert refused.returncode == 1
    assert "this is 1.70: rustup update" in refused.stderr


def test_a_fit_machine_passes(tmp_path: Path) -> None:
    for name in ("cargo", "cc", "c++"):
        stand_in(tmp_path, name, "")
    stand_in(tmp_path, "rustc", "rustc 1.99.0")
    assert check(tmp_path).returncode == 0


def test_make_speaks_before_it_builds(tmp_path: Path) -> None:
    """`make setup` in a copy of the tree, on a path with neither cargo nor a compiler."""
    for name in ("Makefile", "Cargo.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "build_backend").mkdir()
    (tmp_path / "build_backend" / BACK_END.name).write_bytes(BACK_END.read_bytes())
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("make", "sh", "find", "touch"):
        found = next((p for p in os.defpath.split(":") if Path(p, name).exists()), None)
        if found is None:
            pytest.skip(f"no {name} on {os.defpath}")
        (tools / name).symlink_to(Path(found, name))
    (tools / "python3").symlink_to(sys.executable)
    said = subprocess.run(
        ["make", "setup"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode != 0
    assert "cargo (Rust) is missing" in said.stderr
    assert not (tmp_path / ".venv").exists()


def test_another_interpreter_gets_the_build_of_the_first(tmp_path: Path) -> None:
    built, other = tmp_path / "built", tmp_path / "other"
    packages = built / "lib" / "python3.11" / "site-packages"
    (packages / "sfukit-1.dist-info").mkdir(parents=True)
    (packages / "sfukit-1.dist-info" / "METADATA").write_text("Name: sfukit\n")
    (packages / "sfukit.pth").write_text("/somewhere\n")
    (built / "bin").mkdir()
    (built / "bin" / "sfukit").write_text("#!/built/bin/python\nprint('linked')\n")
    venv.create(other)
    python = other / "bin" / "python"
    subprocess.run([python, BACK_END, "link", built], check=True)
    linked = subprocess.run([other / "bin" / "sfukit"], capture_output=True, text=True, check=True)
    assert linked.stdout == "linked\n"
    [pth] = other.glob("lib/python3*/site-packages/sfukit.pth")
    assert pth.read_text() == "/somewhere\n"
    assert (pth.parent / "sfukit-1.dist-info" / "METADATA").exists()
    assert (other / "bin" / "sfukit").read_text().startswith(f"#!{python}\n")


INTERPRETERS = ROOT / "tools" / "interpreters"


def interpreters(tmp_path: Path, *minors: str) -> list[str]:
    """Return the oldest and the newest of stand-ins with these minor versions."""
    folder = tmp_path / "path"
    folder.mkdir()
    for minor in minors:
        version = minor.removesuffix("rc")
        ends = "exit 1" if minor.endswith("rc") else f"echo {version}"
        program = folder / f"python3.{version}"
        program.write_text(f"#!/bin/sh\n{ends}\n")
        program.chmod(0o755)
    search = f"{folder}{os.pathsep}{tmp_path / 'tools'}"
    (tmp_path / "tools").mkdir()
    for name in ("bash", "sh", "sort", "sed", "uniq", "env"):
        (tmp_path / "tools" / name).symlink_to(str(shutil.which(name)))
    found = subprocess.run(
        ["bash", INTERPRETERS],
        env={"PATH": search, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line).name for line in found.stdout.splitlines()]


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (("11", "12", "13"), ["python3.11", "python3.13"]),
        (("12",), ["python3.12"]),
        (("11", "14rc"), ["python3.11"]),
        ((), []),
    ],
)
def test_the_oldest_and_the_newest_interpreter_are_found(
    tmp_path: Path, there: tuple[str, ...], told: list[str]
) -> None:
    assert interpreters(tmp_path, *there) == told

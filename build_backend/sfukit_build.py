"""PEP 517 back end: maturin, with the tools that AWS-LC needs taken from PyPI.

AWS-LC's TLS part is built by cmake and bound by bindgen, which loads libclang. Both are PyPI
packages, so this back end requires them, points the build at them and leaves the rest to maturin:
``pip install .`` works on a machine with no more than cargo and a C/C++ compiler.

It looks for those two first. Where cargo is missing maturin would silently download a toolchain
of 750 MB; a clear message is worth more.

Run as a script it serves the Makefile:
    sfukit_build.py check          say what is missing, exit 1
    sfukit_build.py cargo-config   write .cargo/config.toml for cargo run by hand
    sfukit_build.py link VENV      install here what was built for the venv VENV
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CARGO_CONFIG = ROOT / ".cargo" / "config.toml"
MINIMUM_PYTHON = (3, 11)

Settings = dict[str, Any] | None


# --- the hooks of PEP 517 and PEP 660 ----------------------------------------------------------


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    require_toolchain()
    return []


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    require_toolchain()
    return []


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return []


def prepare_metadata_for_build_wheel(directory: str, config_settings: Settings = None) -> str:
    return maturin_does("prepare_metadata_for_build_wheel", directory, config_settings)


def prepare_metadata_for_build_editable(directory: str, config_settings: Settings = None) -> str:
    return maturin_does("prepare_metadata_for_build_editable", directory, config_settings)


def build_wheel(
    directory: str, config_settings: Settings = None, metadata: str | None = None
) -> str:
    return maturin_does("build_wheel", directory, config_settings, metadata)


def build_editable(
    directory: str, config_settings: Settings = None, metadata: str | None = None
) -> str:
    return maturin_does("build_editable", directory, config_settings, metadata)


def build_sdist(directory: str, config_settings: Settings = None) -> str:
    return maturin_does("build_sdist", directory, config_settings)


def maturin_does(hook: str, *arguments: object) -> str:
    """Prepare the environment, then hand over to maturin."""
    require_toolchain()
    # without build isolation the programs of the environment are not on the path
    scripts = sysconfig.get_path("scripts")
    os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    # A checkout that `make setup` prepared names its tools in .cargo/config.toml. Naming others
    # here would make cargo rebuild AWS-LC (a minute) each time the two alternate.
    if hook != "build_sdist" and not CARGO_CONFIG.exists():
        for name, value in native_tools().items():
            os.environ.setdefault(name, value)
    import maturin

    return str(getattr(maturin, hook)(*arguments))


# --- the toolchain: what must be there already -------------------------------------------------


def require_toolchain() -> None:
    missing = missing_tools()
    if missing:
        raise SystemExit("sfukit cannot be built here:\n" + "\n".join(f"  - {m}" for m in missing))


def missing_tools() -> list[str]:
    """List what is missing, each with the command or place that mends it."""
    missing = []
    if sys.version_info < MINIMUM_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        missing.append(f"Python 3.11 or newer is needed; this is {found}")
    missing += filter(None, (cargo_problem(), compiler_problem()))
    return missing


def cargo_problem() -> str | None:
    if not shutil.which("cargo"):
        return "cargo (Rust) is missing: install Rust from https://rustup.rs, then open a new shell"
    needed = minimum_rust()
    said = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"(\d+)\.(\d+)", said.stdout)
    if said.returncode != 0 or not version:
        return f"rustc does not run: {said.stderr.strip() or 'no version printed'}"
    if (int(version[1]), int(version[2])) < needed:
        return (
            f"Rust {needed[0]}.{needed[1]} or newer is needed, this is {version[0]}: rustup update"
        )
    return None


def minimum_rust() -> tuple[int, int]:
    found = re.search(r'rust-version = "(\d+)\.(\d+)', (ROOT / "Cargo.toml").read_text())
    if not found:
        raise SystemExit("Cargo.toml names no rust-version")
    return int(found[1]), int(found[2])


def compiler_problem() -> str | None:
    needed = {os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")}
    absent = sorted(name for name in needed if not shutil.which(name.split()[0]))
    if not absent:
        return None
    how = (
        "xcode-select --install" if sys.platform == "darwin" else "apt-get install build-essential"
    )
    return (
        f"a C and C++ compiler is missing ({', '.join(absent)}): {how}, or your system's equivalent"
    )


# --- cmake and libclang: what PyPI provides ----------------------------------------------------


def native_tools() -> dict[str, str]:
    """Return the environment that makes the AWS-LC build use cmake and libclang from PyPI."""
    import clang.native  # type: ignore[import-not-found]
    import cmake  # type: ignore[import-not-found]

    [libclang, *_] = clang.native.__path__
    return {
        "CMAKE": str(Path(cmake.CMAKE_BIN_DIR) / "cmake"),
        "LIBCLANG_PATH": str(libclang),
        "BINDGEN_EXTRA_CLANG_ARGS": " ".join(clang_arguments()),
    }


def clang_arguments() -> list[str]:
    """Lead libclang to the headers of the C compiler: its PyPI package brings none of its own."""
    compiler = os.environ.get("CC", "cc").split()
    if sys.platform == "darwin":
        resources = output([*compiler, "-print-resource-dir"])
        return [f"-I{resources}/include", f"-isysroot {output(['xcrun', '--show-sdk-path'])}"]
    return [f"-I{output([*compiler, '-print-file-name=include'])}"]


def output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# --- the Makefile's side -----------------------------------------------------------------------


def write_cargo_config() -> None:
    """Give cargo run by hand the same environment as `make`, so that neither undoes the other."""
    lines = ["# Written by `make setup`; not committed.", "[env]"]
    tools = {**native_tools(), "PYO3_PYTHON": sys.executable}
    lines += [f'{name} = "{value}"' for name, value in tools.items()]
    text = "\n".join(lines) + "\n"
    if CARGO_CONFIG.exists() and CARGO_CONFIG.read_text() == text:
        return
    CARGO_CONFIG.parent.mkdir(exist_ok=True)
    CARGO_CONFIG.write_text(text)


def link(venv: Path) -> None:
    """Install for this interpreter what was built for another: an abi3 module serves both."""
    [packages] = venv.glob("lib/python3*/site-packages")
    for found in packages.glob("sfukit*"):
        to = Path(sysconfig.get_path("purelib"), found.name)
        if found.is_dir():
            shutil.copytree(found, to, dirs_exist_ok=True)
        else:
            shutil.copy(found, to)
    program = Path(sysconfig.get_path("scripts"), "sfukit")
    _, _, text = (venv / "bin" / "sfukit").read_text().partition("\n")
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(0o755)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        require_toolchain()
    elif sys.argv[1:] == ["cargo-config"]:
        write_cargo_config()
    elif sys.argv[1:2] == ["link"] and len(sys.argv) == 3:
        link(Path(sys.argv[2]))
    else:
        raise SystemExit(__doc__)

"""An ordinary, not editable, installation has every room of the package and every file that a room needs."""

import shutil
import subprocess
import sys
import zipfile

import pytest

from plremix_core.engine.files import ROOT

PACKED = (".py", ".html", ".css", ".json", ".yaml")


@pytest.mark.slow
def test_a_wheel_contains_every_module_and_template(tmp_path):
    source = shutil.copytree(ROOT / "plremix_core", tmp_path / "plremix_core").parent  # pip leaves things beside it
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("plremix_core/")}
    files = [path for path in (source / "plremix_core").rglob("*") if path.suffix in PACKED]
    assert packed == {path.relative_to(source).as_posix() for path in files}

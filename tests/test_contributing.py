"""The page for the next engineer: every command on it exists and takes these options, and versions agree."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

import plremix_core
from plremix_core.engine.files import ROOT

PAGES = [ROOT / ".github" / name for name in ("CONTRIBUTING.md", "CHANGELOG.md")]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
INLINE = re.findall(r"`((?:make|plremix|git) [^`]+)`", TEXT)
BLOCKS = re.findall(r"^    ((?:make|plremix|git) .+)$", TEXT, re.MULTILINE)
COMMANDS = sorted({command for command in INLINE + BLOCKS})
TOOL = '#!/bin/sh\necho "$(basename "$0") $*" >> called\n'


def test_there_are_commands_of_every_kind():
    assert len(COMMANDS) >= 12 and {command.split()[0] for command in COMMANDS} == {"make", "plremix", "git"}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_make_calls_tools_with_options_that_they_take(tmp_path, command):
    """In a copy whose tools only note how they are called; what they are asked is then asked of the real ones."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("python", "plremix", "ruff"):
        (tools / name).write_text(TOOL)
        (tools / name).chmod(0o755)
    program, *arguments = shlex.split(command)
    subprocess.run([program, *arguments, f"PYTHON={tools / 'python'}"], cwd=tmp_path, check=True, capture_output=True)
    called = [shlex.split(line) for line in (tmp_path / "called").read_text().splitlines()]
    called = [words for words in called if "pip" not in words]
    assert called
    for name, *words in called:
        if name == "plremix":
            subprocess.run([sys.executable, "-m", "plremix_core", *words, "--help"], check=True, capture_output=True)
        elif words[:2] == ["-m", "pytest"]:
            assert words[2:6] in ([], ["-n", "2", "--dist", "loadfile"]) or (ROOT / words[2]).is_dir(), words
        elif name == "python":
            path = f"tests/{words[1].replace('.', '/')}" if words[0] == "-m" else words[0].removesuffix(".py")
            assert (ROOT / f"{path}.py").is_file() or (ROOT / path / "__main__.py").is_file(), words


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("plremix ")])
def test_commands_of_the_package_take_these_options(command):
    words = [sys.executable, "-m", "plremix_core", *shlex.split(command)[1:]]
    done = subprocess.run([*words] if "--dry-run" in words else [*words, "--help"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_the_command_of_a_release_tags_a_commit(tmp_path):
    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    (command,) = [command for command in COMMANDS if command.startswith("git ")]
    git(*shlex.split(command)[1:])
    assert git("tag").stdout.strip() == "v1.2.3"


def test_versions_agree_and_the_changelog_has_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", PAGES[1].read_text("utf-8"), re.MULTILINE)
    assert project == citation == plremix_core.__version__ == versions[0]


def test_files_that_the_page_names_are_there():
    for name in re.findall(r"`((?:\.github|\.ci|data|notebooks|plremix_core|tests)/[\w./]+)`", TEXT):
        assert "NN" in name or (ROOT / name).exists(), name


@pytest.mark.parametrize("marker", ["slow", "long"])
def test_the_tiers_are_markers_that_pytest_knows(marker):
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert any(line.startswith(f"{marker}: ") for line in options["markers"])
    assert f"`{marker}`" in TEXT

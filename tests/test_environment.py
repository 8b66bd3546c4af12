"""environment.yml and pyproject.toml ask for the same packages."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CARD = {"torch", "torchvision", "jupyterlab", "matplotlib", "seaborn", "scikit-learn", "umap-learn", "papermill"}


@pytest.fixture(scope="module")
def dependencies():
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def bounds(lines):
    """Requirement lines as {name: set of version bounds}; editable installs are left out."""
    requirements = [Requirement(line) for line in lines if not line.startswith("-e")]
    return {canonicalize_name(r.name): {str(s) for s in r.specifier} for r in requirements}


def pip_lines(dependencies):
    (block,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return block


def test_pip_block_holds_every_dependency_with_the_same_bounds(dependencies):
    ours, project = bounds(pip_lines(dependencies)), bounds(PROJECT["dependencies"])
    assert {name: ours.get(name) for name in project} == project


def test_pip_block_holds_nothing_else_but_what_tests_need(dependencies):
    tests = bounds(PROJECT["optional-dependencies"]["test"])
    for name, bound in bounds(pip_lines(dependencies)).items():
        if name not in bounds(PROJECT["dependencies"]):
            assert tests.get(name) == bound, name


def test_conda_brings_python_and_pip_only_so_that_torch_comes_from_one_place(dependencies):
    lines = [line for line in dependencies if isinstance(line, str)]
    assert {re.match(r"[\w-]+", line)[0] for line in lines} == {"python", "pip"}


def test_python_of_the_environment_is_one_that_the_project_allows(dependencies):
    (line,) = [line for line in dependencies if isinstance(line, str) and line.startswith("python")]
    spec = line.removeprefix("python").strip()
    spec = f"=={spec.lstrip('=')}.*" if spec.startswith("=") else spec
    versions = [f"3.{minor}" for minor in range(6, 30)]
    environment, project = SpecifierSet(spec), SpecifierSet(PROJECT["requires-python"])
    allowed = [v for v in versions if v in environment]
    assert allowed
    assert all(v in project for v in allowed)


def test_packages_of_the_design_card_are_asked_for():
    assert set(bounds(PROJECT["dependencies"])) >= CARD


def test_every_dependency_has_a_lower_bound_and_no_upper_one():
    for name, bound in bounds(PROJECT["dependencies"]).items():
        assert [b[:2] for b in bound] == [">="], name

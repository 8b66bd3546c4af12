"""How often a test tried what it is named after, for the table of `plremix selftest`."""

import os
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")])  # tiny.py in other processes


@pytest.fixture
def tries(record_property):
    """Call it once, at the end, with the number of tries."""
    return lambda number: record_property("tries", number)

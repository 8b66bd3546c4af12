"""One thread for every test: the numbers do not depend on the machine, and busy machines stay fast."""

import os

for name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
):  # before torch is imported; inherited by children
    os.environ[name] = "1"
os.environ["GOMP_SPINCOUNT"] = "1000"  # for runs of a sweep that take two threads beside other tests

import logging  # noqa: E402
from collections import Counter  # noqa: E402

import pytest  # noqa: E402

import plremix_core.lessons  # noqa: E402, F401  before nbformat


@pytest.fixture(autouse=True)
def log_as_before():
    """Commands run inside the test process set the level of the log; every test begins with the default."""
    logging.getLogger("plremix").setLevel(logging.NOTSET)


@pytest.hookimpl(trylast=True)  # when those that are not wanted are gone
def pytest_collection_modifyitems(items):
    """Files with slow tests run first, so that two processes end at the same time."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("long"))
    items.sort(key=lambda item: -slow[item.path])

"""Figures: what a title may claim, and one colour a method."""

import pandas as pd
import pytest

from plremix_core import plots


@pytest.mark.parametrize("lead, expected", [(0.05, "b"), (0.03, None)])
def test_a_leader_leads_by_more_than_both_deviations_together(lead, expected):
    table = pd.DataFrame([[0.58, 0.6, 0.62], [0.58, 0.6, 0.62]], index=["a", "b"])  # deviation 0.02 each
    table.loc["b"] += lead
    assert plots.leader(table) == expected
    assert plots.leader(-table) == (expected and "a")


def test_a_method_keeps_its_colour_whoever_stands_beside_it_and_lends_it_to_nobody():
    alone = plots.line_styles(["naive"])["naive"]
    beside = plots.line_styles(["one", "two", "three", "naive", "four"])
    assert beside["naive"] == alone
    assert len({colour for colour, _ in beside.values()}) == 5


def test_clean_and_noisy_keep_their_meaning():
    found = plots.line_styles(["noisy samples", "clean samples", "another"])
    assert found["clean samples"][0] == plots.CLEAN and found["noisy samples"][0] == plots.NOISY
    assert found["another"][0] not in (plots.CLEAN, plots.NOISY)

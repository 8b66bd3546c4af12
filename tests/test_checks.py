"""The wording of errors."""

import pytest
import torch

from plremix_core.engine.checks import check_labels, require


def test_require_says_name_rule_value_and_remedy():
    with pytest.raises(ValueError, match=r"^rate must be in \[0, 1\), got 1.5. Divide by 100.$"):
        require(False, "rate", "in [0, 1)", 1.5, "Divide by 100.")


def test_require_quotes_text_so_that_its_type_shows():
    with pytest.raises(ValueError, match="got '0.5'"):
        require(False, "rate", "a number", "0.5", "Check quotes.")


def test_require_is_silent_if_the_rule_holds():
    assert require(True, "rate", "in [0, 1)", 0.5, "") is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1], dtype=torch.int32), r"labels must be int64, got torch.int32. Convert"),
        (torch.tensor([0.0, 1.0]), r"labels must be int64, got torch.float32"),
        (torch.tensor([[0], [1]]), r"labels must be of shape \(2,\), got \(2, 1\). One label a sample"),
        (torch.tensor([0, 1, 2]), r"labels must be of shape \(2,\), got \(3,\)"),
        (torch.tensor([0, 3]), r"labels must be in \[0, 3\), got 3. Is num_classes right"),
        (torch.tensor([-1, 2]), r"labels must be in \[0, 3\), got -1"),
    ],
)
def test_labels_of_another_type_shape_or_range_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(labels, 3, size=2)


@pytest.mark.parametrize("labels", [torch.tensor([0, 2]), torch.empty(0, dtype=torch.int64)])
def test_right_labels_pass_also_none_at_all(labels):
    assert check_labels(labels, 3) is None

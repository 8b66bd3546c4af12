"""One place for the wording of errors: name, rule, value, remedy."""

import difflib
from collections.abc import Sequence


def require(holds: bool, name: str, rule: str, value: object, remedy: str) -> None:
    """Raise ``ValueError("<name> must be <rule>, got <value>. <remedy>")`` unless `holds`."""
    if not holds:
        raise ValueError(f"{name} must be {rule}, got {value!r}. {remedy}")


def require_known(value: object, known: Sequence[str], name: str, rule: str = "") -> None:
    """Refuse a word that is not among the `known`, naming the nearest; `rule` stands in the place of their list."""
    near = difflib.get_close_matches(str(value), known, n=1)
    remedy = f"Known: {', '.join(known)}." if rule else "Check the spelling."
    rule = rule or f"one of {', '.join(known)}"
    require(value in known, name, rule, value, f"Did you mean {near[0]}?" if near else remedy)


def check_labels(labels: object, num_classes: int, size: int | None = None, name: str = "labels") -> None:
    """Refuse a tensor that is not int64 of shape (size,) with values in [0, num_classes); `name` is for the message."""
    import torch  # takes seconds; what a command refuses must not wait for it

    require(labels.dtype == torch.int64, name, "int64", labels.dtype, "Convert with labels.long().")
    expected = labels.numel() if size is None else size
    shape = tuple(labels.shape)
    require(shape == (expected,), name, f"of shape ({expected},)", shape, "One label a sample.")
    if labels.device.type == "cpu" and labels.numel():  # on a GPU the check would wait for the device
        worst = int(labels.max()) if int(labels.max()) >= num_classes else int(labels.min())
        require(0 <= worst < num_classes, name, f"in [0, {num_classes})", worst, "Is num_classes right for this data?")


def require_finite(bad: list[str], epoch: int) -> None:
    """Stop if anything is in the list of what is not finite."""
    if bad:
        raise FloatingPointError(f"{bad} must be finite, got nan or inf in epoch {epoch}. Lower lr, or resume.")

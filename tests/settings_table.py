"""The table of all settings: `python tests/settings_table.py` writes it to data/settings.md."""

import click

from plremix_core.cli.train import Field, train
from plremix_core.engine.files import ROOT

PAGE = ROOT / "data" / "settings.md"
HEAD = """# Settings

Options of `plremix train` and arguments of `preset`, with the paper's values for CIFAR-10.

| group | setting | default | meaning |
|---|---|---|---|
"""


def tabulate() -> str:
    """The page, with a row a setting, in the order of the help."""
    rows, context = [], click.Context(train)
    for option in (option for option in train.params if isinstance(option, Field)):
        meaning, _, default = option.get_help_record(context)[1].removesuffix("]").partition("  [paper: ")
        rows.append(f"| {option.group} | `{option.name}` | `{default}` | {meaning} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(tabulate())

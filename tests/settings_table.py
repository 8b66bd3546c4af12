"""The table of all settings: `python tests/settings_table.py` writes it to data/settings.md."""

import json

from plremix_core.cli.train import FIELDS, describe_field
from plremix_core.engine.files import ROOT

PAGE = ROOT / "data" / "settings.md"
HEAD = """# Settings

Options of `plremix train` and arguments of `preset`, with the paper's values for CIFAR-10.

| group | setting | default | meaning |
|---|---|---|---|
"""


def tabulate() -> str:
    """The page, with a row a setting, in the order of the help."""
    rows = [(f.metadata["group"], f"`{f.name}`", f"`{json.dumps(f.default)}`", describe_field(f)) for f in FIELDS]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(tabulate())

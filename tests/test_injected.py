"""A notebook refuses by itself what papermill injects under an unknown name, and settings that are no JSON."""

import subprocess
import sys

import nbformat
import pytest

from plremix_core.lessons import injected

DECLARED = 'seed: int = 0  # a seed\nmethod: str = "plremix"'


@pytest.mark.parametrize("before", [[], ["%matplotlib inline"], ["import os\nfolder = os.getcwd()"]])
def test_a_misspelt_parameter_is_refused_with_the_name_it_resembles(before):
    injected.refuse_unknown([*before, DECLARED, '# Parameters\nseed = 3\nmethod = "ce"', "x = 1"])
    with pytest.raises(
        ValueError, match="parameter must be one of .*seed, method, got 'methd'. See .* Did you mean method"
    ):
        injected.refuse_unknown([*before, DECLARED, '# Parameters\nmethd = "ce"'])
    with pytest.raises(ValueError, match="See the cell of parameters"):
        injected.refuse_unknown([*before, DECLARED, "# Parameters\nseed = 3\nzzz = 1"])


def test_settings_are_a_mapping_in_json_and_else_refused_in_one_sentence():
    assert injected.settings_of('{"lr": 0.1}') == {"lr": 0.1}
    assert injected.settings_of("") == {} == injected.settings_of("{}")
    for bad in ("{'lr': 0.1}", '{"lr": 0.1', "[1]", "3", "null", "epochs=3"):
        with pytest.raises(ValueError, match="settings must be a mapping in JSON, got .* Example"):
            injected.settings_of(bad)
    with pytest.raises(ValueError, match="settings must be without seed, .* Use the parameter seed"):
        injected.settings_of('{"seed": 3}', ("method", "seed"))


@pytest.mark.slow
def test_plain_papermill_stops_at_a_misspelt_parameter(tmp_path):
    start = 'from plremix_core.lessons.lesson import start\nlesson = start("00", seed=seed)'
    cells = [nbformat.v4.new_code_cell(source) for source in (DECLARED, start)]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(tmp_path / "in.ipynb")]
    done = subprocess.run([*command, str(tmp_path / "out.ipynb"), "-p", "sede", "3"], capture_output=True, text=True)
    assert done.returncode != 0 and "Did you mean seed?" in done.stderr

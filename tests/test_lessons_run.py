"""The map, one lesson and a tiny training as `plremix lessons` runs them: all claims hold, and an index of pages."""

import json
import re

import pytest
import tiny

from plremix_core.lessons import injected, runner

OTHER = dict(dataset="fashion_mnist", rate=0.5, settings=json.dumps(tiny.NOTEBOOK))


def paths(*numbers):
    return [next(injected.NOTEBOOKS.glob(f"{number}_*.ipynb")) for number in numbers]


@pytest.mark.slow
@pytest.mark.parametrize(("chosen", "parameters"), [(("00", "03"), {}), (("05",), OTHER)], ids=["00 and 03", "05"])
def test_a_few_lessons_run_in_processes_of_their_own(tmp_path, chosen, parameters):
    results = runner.run_lessons(paths(*chosen), tmp_path, parameters)
    assert [(result.status, result.reason) for result in results] == [("ok", "")] * len(chosen)
    assert all(result.held <= result.declared > 0 for result in results)
    cells = runner.read(tmp_path / f"{results[-1].notebook}.ipynb").cells
    given = "".join(cell.source for cell in cells if "injected-parameters" in injected.tags_of(cell))
    assert all(f"{name} = {json.dumps(value)}" in given for name, value in parameters.items())
    assert len(json.loads((tmp_path / "result.json").read_text())) == len(chosen)
    pages = re.findall(r'href="([^"]+)"', (tmp_path / "index.html").read_text())
    assert len(pages) >= len(chosen) and all((tmp_path / name).exists() for name in pages)

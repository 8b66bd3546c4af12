"""What comes of a ranking: a CSV, a page to look through, and what the labels that a person has looked at say."""

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from PIL import Image
from scipy.special import logit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from ..data.label_files import read_columns, readable
from ..engine.checks import require
from ..engine.files import write_atomic

TEMPLATE = Path(__file__).parent / "templates" / "review.html"
TEXT = ("file", "given", "suggested", "predicted")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a cell that begins so is run as a formula by spreadsheets


def above_chance(accuracy: float, chance: float, count: int) -> bool:
    """Whether an accuracy on `count` samples lies above chance by more than two standard deviations."""
    return accuracy > chance + 2 * (chance * (1 - chance) / count) ** 0.5


def precision_at(wrong: np.ndarray) -> np.ndarray:
    """Return the share of wrong labels among the first k of a ranking, for k = 1..N."""
    return pd.Series(wrong).expanding().mean().to_numpy()


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a ranking as CSV (UTF-8, RFC 4180), atomically; an existing file is replaced.

    Names of classes and files are text from outside: one that a spreadsheet would run as a formula gets an apostrophe
    in front. What is no valid Unicode is written as an escape.
    """
    quoted = {n: table[n].map(lambda cell: "'" * cell.startswith(FORMULA) + cell) for n in TEXT if n in table}
    content = table.assign(**quoted).to_csv(index=False, float_format="%.6g", lineterminator="\r\n")
    write_atomic(Path(path), content.encode("utf-8", "backslashreplace"))


def write_page(
    path: Path,
    shown: pd.DataFrame,
    files: Sequence[str],
    given: Sequence[int],
    names: Sequence[str],
    picture: Callable[[int], np.ndarray],
    about: Sequence[str],
    whole: bool = True,
) -> None:
    """Write a page of the images of `shown`, to keep, relabel or drop each, which saves a label file.

    It needs no network and no other file; text from outside is escaped. `shown` has the columns index, file,
    suggested_number and probability, `picture(index)` is an image (3 or 1, H, W), uint8; `files` and `given` are those
    of all images. The label file has a row for all images, or (`whole` = False) for those that are shown.
    """
    cards = shown.to_dict("records")
    for card in cards:
        buffer, image = io.BytesIO(), picture(card["index"]).transpose(1, 2, 0)
        Image.fromarray(image.repeat(3 // image.shape[2], axis=2)).save(buffer, "JPEG", quality=85)
        card["image"] = base64.b64encode(buffer.getvalue()).decode()
    data = dict(files=list(map(readable, files)), given=list(map(int, given)), whole=whole)
    data |= dict(names=list(names), shown=shown["index"].tolist(), save=f"{path.stem}_labels.csv")
    template = jinja2.Template(TEMPLATE.read_text("utf-8"), autoescape=True, trim_blocks=True)
    page = template.render(cards=cards, data=data, names=names, about=about, title=path.stem)
    write_atomic(path, page.encode("utf-8", "backslashreplace"))


def read_reviewed(path: Path, files: Sequence[str]) -> pd.DataFrame:
    """Read a file that a page has saved: columns index, file, given, label (numbers; label -1: drop the image).

    Its files must be those at the same places of `files`.
    """
    table, remedy = pd.DataFrame(read_columns(path, str(path))), "Save it from the page again."
    there = {"index", "file", "given", "label"} <= set(table) and len(table) > 0
    require(there, str(path), "a file with rows of index, file, given and label", list(table), remedy)
    numbers = table[["index", "given", "label"]].apply(pd.to_numeric, errors="coerce")
    odd = table[(numbers % 1 != 0).any(axis=1) | numbers["index"].duplicated()].values.tolist()
    require(not odd, str(path), "of whole numbers, an image once", odd[:1], remedy)
    table = table.assign(**numbers.astype(int))
    now = table["index"].map({index: readable(file).removeprefix("'") for index, file in enumerate(files)})
    changed = table["file"][now != table["file"].str.removeprefix("'")].tolist()
    remedy = "The folder has changed since: run plremix suspects again."
    require(not changed, str(path), "of the images that there are", changed[:1], remedy)
    return table


def rate(reviewed: pd.DataFrame) -> tuple[float, float, float]:
    """Share of wrong labels among images drawn at random, and its 95 % interval (Wilson's)."""
    test = binomtest(int((reviewed["label"] != reviewed["given"]).sum()), len(reviewed))
    return test.statistic, *test.proportion_ci(method="wilson")


def budget(reviewed: pd.DataFrame, ranking: pd.DataFrame) -> np.ndarray:
    """Expected number of wrong labels among the first k of a ranking, k = 1..N, from images looked at at random.

    A logistic regression of "wrong" on the logit of the place in the ranking; `ranking` has the column index, in order.
    """
    place = pd.Series(logit((np.arange(len(ranking)) + 0.5) / len(ranking)), index=ranking["index"].to_numpy())
    wrong = reviewed["label"].to_numpy() != reviewed["given"].to_numpy()
    if wrong.all() or not wrong.any():
        return np.arange(1, len(ranking) + 1) * float(wrong[0])
    fitted = LogisticRegression().fit(place[reviewed["index"]].to_frame(), wrong)
    return fitted.predict_proba(place.to_frame())[:, 1].cumsum()

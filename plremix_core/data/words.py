"""Labels written as words: names of classes, or numbers from 0."""

import re
from collections.abc import Callable, Sequence

from ..engine.checks import require

Names = tuple[str, ...]  # of the classes, in order of their numbers
WHOLE = re.compile(r"[0-9]+")
REMEDY = "Write names for all, or numbers from 0."


def readable(text: str) -> str:
    """Return a name of a file as people read it: bytes that are no UTF-8 become escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def tell_apart(names: Sequence[str]) -> Names:
    """Return names of classes as people read them; equal ones with their number."""
    names = [readable(str(name)) for name in names]
    return tuple(f"{name} (class {c})" if names.count(name) > 1 else name for c, name in enumerate(names))


def number(words: list[str], names: Names | None, where: Callable[[int], str]) -> tuple[list[int], Names]:
    """Turn words into labels, and return the names of the classes; `where` tells of the i-th word for a message.

    Words that all are names of classes mean these classes; else all are numbers from 0. Without `names`, numbers are
    their own names. What mixes names and numbers, or could mean both, is refused.
    """
    if names is None and all(map(WHOLE.fullmatch, words)):
        sizes = [int(word[:20]) for word in words]
        highest, most, remedy = max(sizes), max(10**6, len(words)), "Labels are numbers from 0."
        require(highest < most, where(sizes.index(highest)), f"below {most}", highest, remedy)
        names = tuple(str(c) for c in range(highest + 1))
    if names is None:
        numeric = [re.fullmatch(r"[-+]?[0-9.]+", word) is not None for word in words]
        bad = [not WHOLE.fullmatch(word) for word in words] if all(numeric) else numeric
        first, rule = bad.index(max(bad)), "a whole number from 0" if all(numeric) else "a name as others are"
        require(not any(bad), where(first), rule, words[first], REMEDY)
    names = tuple(sorted(set(words))) if names is None else names
    by_name, by_number = {name: c for c, name in enumerate(names)}, {str(c): c for c in range(len(names))}
    known = by_name if all(word in by_name for word in words) else by_number
    for i, word in enumerate(words):
        require(word in by_name or word in by_number, where(i), f"one of {len(names)} classes", word, "Correct it.")
        clear = known is by_name or word not in by_name
        require(clear, where(i), "a number, as others are no names", word, REMEDY)
        once = known is by_number or len(by_name) == len(names) or names.count(word) == 1
        require(once, where(i), "the name of one class", word, "Several have it: write numbers from 0.")
    return [known[word] for word in words], names

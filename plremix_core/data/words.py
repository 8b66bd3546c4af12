"""Labels written as words: names of classes, or numbers from 0."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from ..engine.checks import require

Names = tuple[str, ...]  # of the classes, in order of their numbers
WHOLE, NUMERIC = re.compile(r"[0-9]{1,6}"), re.compile(r"[-+]?[0-9.]+")
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

    Words that all are names of classes mean these classes; else all are numbers from 0. Without `names` the first word
    says which of the two; numbers are their own names. What mixes names and numbers, or could mean both, is refused.
    """
    if names is None:
        numbers = NUMERIC.fullmatch(words[0]) is not None
        odd = [not WHOLE.fullmatch(word) if numbers else bool(NUMERIC.fullmatch(word)) for word in words]
        first, rule = odd.index(max(odd)), "a whole number from 0, below 1000000" if numbers else "a name as others are"
        require(not odd[first], where(first), rule, words[first], REMEDY)
        names = tuple(map(str, range(max(map(int, words)) + 1))) if numbers else tuple(sorted(set(words)))
    times = Counter(names)
    by_name = {name: c for c, name in enumerate(names) if times[name] == 1}
    by_number = {str(c): c for c in range(len(names))}
    known = by_name if by_name.keys() >= set(words) else by_number
    for i, word in enumerate(words):
        remedy = "Correct it; if two classes have that name, write its number."
        require(word in by_name or word in by_number, where(i), f"one of {len(names)} classes", word, remedy)
    for i, word in enumerate(words):
        clear = known is by_name or word not in by_name
        require(clear, where(i), "a number, as others are no names", word, REMEDY)
    return [known[word] for word in words], names

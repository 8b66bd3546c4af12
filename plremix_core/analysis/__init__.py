"""What is measured on a trained pair of networks; a file is imported when it is asked for, as torch takes seconds."""

import importlib

__all__ = ["clusters", "deploy", "features", "gradient_conflict", "negatives", "review", "suspects"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f".{name}", __name__)

"""What is trained on: known sets by name, folders of images, arrays; noise and label files."""

import importlib

_HOME = {"Dataset": "dataset", "describe": "dataset", "from_arrays": "dataset"}
_HOME |= dict.fromkeys(("from_folder", "load", "open_set", "prepare", "read_images"), "sets")
_HOME |= {"from_features": "features"}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import what needs torch when it is asked for, so that a command refuses wrong folders at once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)

"""What is trained on: known sets by name, folders of images, arrays; noise and label files."""

from .dataset import Dataset, from_arrays
from .prepare import from_folder, load, prepare

__all__ = ["Dataset", "from_arrays", "from_folder", "load", "prepare"]

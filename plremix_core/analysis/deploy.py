"""A trained pair of networks for use: predictions of images in files, and an export that needs only torch."""

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as V

from ..config import from_dict
from ..data.dataset import Dataset
from ..data.image_files import ImageFiles
from ..engine.files import write_atomic
from ..engine.run import Run
from ..trainer import Trainer

LOAD = """import json, pathlib, sys
import torch
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2 import functional as V

here = pathlib.Path(__file__).parent
about, model = json.loads((here / "classes.json").read_text()), torch.jit.load(here / "model.pt")
channels, height, width = about["shape"]
image = decode_image(sys.argv[1], ImageReadMode.GRAY if channels == 1 else ImageReadMode.RGB)
image = V.resize(V.center_crop(image, [min(image.shape[1:])]), [height, width], antialias=True)
with torch.no_grad():
    probabilities = model(image[None])[0]
print(about["class_names"][int(probabilities.argmax())], float(probabilities.max()))
"""


class Together(nn.Module):
    """Probabilities (n, C) of the summed logits of a trainer's networks for uint8 images (n, c, H, W)."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Sequential(net.backbone, net.classifier) for net in trainer.nets)
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in trainer.statistics)
        self.mean, self.std, self.crop = nn.Buffer(mean), nn.Buffer(std), trainer.config.crop

    def forward(self, images: Tensor) -> Tensor:
        images = V.center_crop(images, [self.crop, self.crop]) if self.crop else images
        views = (images.float() / 255 - self.mean) / self.std
        return torch.stack([part(views) for part in self.parts]).sum(dim=0).softmax(dim=1)


def open_run(run: Path) -> Trainer:
    """The trainer of a run on the CPU, without its images."""
    state = Run(run).load(Trainer.STATE | {"classes"})
    known, config = state["classes"], from_dict(state["config"] | {"device": "cpu", "compile": False})
    few, given = torch.zeros(2, *known["shape"], dtype=torch.uint8), torch.zeros(known["samples"], dtype=torch.int64)
    about = tuple(known["names"]), *map(tuple, known["statistics"])
    trainer = Trainer(config, Dataset("run", few, given, None, few[:0], given[:0], *about, few[:0], given[:0]))
    for net, content in zip(trainer.nets, state["nets"]):
        net.load_state_dict(content)
    return trainer


def predict(trainer: Trainer, root: Path, files: list[str], network: str = "both") -> pd.DataFrame:
    """Predict images in files below `root`: columns file, predicted, probability; of both networks, 1 or 2."""
    shape, found = trainer.data.images.shape, []
    nets = trainer.nets if network == "both" else [trainer.nets[int(network) - 1]]
    for part in ImageFiles(root, files, shape[-1]).split(256):
        part = V.rgb_to_grayscale(part) if shape[1] == 1 else part
        found.append(sum(trainer.predict(net, part)[0] for net in nets).softmax(dim=1))
    probability, predicted = torch.cat(found).max(dim=1)
    names = [trainer.data.class_names[c] for c in predicted.tolist()]
    return pd.DataFrame({"file": files, "predicted": names, "probability": probability.numpy()})


def export(trainer: Trainer, out: Path) -> list[Path]:
    """Write weights.pt, model.pt, classes.json and load.py; see the command."""
    out.mkdir(parents=True, exist_ok=True)
    data, both = trainer.data, Together(trainer).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # TorchScript is called old; it needs nothing but torch
        torch.jit.trace(both, torch.zeros(2, *data.images.shape[1:], dtype=torch.uint8)).save(out / "model.pt")
    torch.save([net.state_dict() for net in trainer.nets], out / "weights.pt")
    about = dict(class_names=data.class_names, mean=data.mean, std=data.std, shape=data.images.shape[1:])
    write_atomic(out / "classes.json", json.dumps(about | {"settings": asdict(trainer.config)}, indent=1).encode())
    write_atomic(out / "load.py", LOAD.encode())
    return [out / name for name in ("classes.json", "load.py", "model.pt", "weights.pt")]

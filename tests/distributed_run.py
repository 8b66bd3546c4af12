"""A short training in float64 without augmentation, in one process or, started by torchrun, in several.

python distributed_run.py OUT METHOD WORD...: process 0 writes terms, gradients, weights and statistics to OUT.
Words: one of VARIANTS; poison: a weight of process 1 becomes NaN; resume: stopped and resumed, in float32.
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
import torch

from plremix_core import batches, evaluate
from plremix_core.config import Config
from plremix_core.data import from_arrays
from plremix_core.data.dataset import Dataset
from plremix_core.engine import distributed
from plremix_core.trainer import Trainer

VARIANTS = {  # as in the presets of Clothing1M and WebVision
    "plain": {},
    "info_nce": dict(contrast="info_nce"),
    "multi_crop": dict(contrast="info_nce", multi_crop=((2, 8, 0.5, 1.0), (3, 4, 0.1, 0.5))),
    "bf16": dict(precision="bf16"),
}


def plain_passes(images, order, weak, strong, config, *_):
    """Every view is the image itself, but brighter from view to view, so that views can be told apart."""
    for index in order:
        shown = images[index].to(torch.float32 if config.precision == "bf16" else torch.float64) / 255
        views = torch.stack([shown + 0.1 * v for v in range(weak + strong)])
        sides = [(number, side) for number, side, *_ in config.multi_crop[1:]] if strong else []
        small = [shown[..., :side, :side] + 0.05 * v for number, side in sides for v in range(number)]
        yield batches.Views(index, views[:weak], views[weak:], torch.stack(small) if small else None)


def settings(method: str, **changes) -> Config:
    """Three epochs, one of them warm-up."""
    return Config(
        dataset="arrays", method=method, width=4, blocks=(1, 1), batch_size=4, epochs=3, warm_up=1, steps_per_epoch=3,
        kappa=((0, 2), (2, 1)), lambda_u=5.0, ramp_epochs=1, lr=0.05, device="cpu", confidence_penalty=True, **changes,
    )  # fmt: skip


def pictures() -> Dataset:
    """41 images of four classes, a part of the labels wrong."""
    rng = np.random.default_rng(0)
    true = np.arange(41) % 4
    images = (40 * true[:, None, None] + rng.integers(90, size=(41, 8, 8))).astype(np.uint8)
    given = np.where(rng.random(41) < 0.3, (true + 1) % 4, true)
    return from_arrays(images, given, images[:9], true[:9], tuple("abcd"), true=true)


def train(method: str, variant: str, poison: bool) -> dict:
    """Three epochs of both networks; every step's terms, every epoch's row, the final state."""
    batches.passes, evaluate.normalise_batch = plain_passes, lambda views, data: views
    dtype = torch.float32 if variant == "bf16" else torch.float64
    evaluate.normalise_views = lambda views, data: views.to(dtype) / 255
    trainer = Trainer(settings(method, **VARIANTS[variant]), pictures())
    for net in trainer.nets:
        net.to(dtype)
    seen, descend = [], Trainer.descend

    def spy(self, m, terms):
        descend(self, m, terms)
        grads = [p.grad.clone() for p in self.nets[m].parameters() if p.grad is not None]
        shown = torch.stack([distributed.mean(value) for value in terms])
        seen.append((shown, torch.cat([grad.flatten() for grad in grads])))
        if poison and distributed.rank() == 1 and len(seen) == 4:
            with torch.no_grad():
                self.nets[m].classifier.bias[0] = float("nan")

    Trainer.descend = spy
    trainer.fit(progress=False)
    return dict(steps=seen) | end(trainer)


def end(trainer: Trainer) -> dict:
    """What a training leaves."""
    rows = trainer.history().table.drop(columns="seconds").fillna(-1).to_numpy().tolist()
    return dict(states=[dict(net.state_dict()) for net in trainer.nets], rows=rows)


def stop_and_resume(method: str, folder: Path) -> dict:
    """The end of a training and of the same one that was stopped after two epochs and resumed from its folder."""

    def stop(trainer, row):
        if trainer.epoch == 2:
            raise KeyboardInterrupt

    straight, stopped = Trainer(settings(method), pictures()), Trainer(settings(method), pictures(), folder)
    straight.fit(progress=False)
    with contextlib.suppress(KeyboardInterrupt):
        stopped.fit(progress=False, on_epoch=stop)
    resumed = Trainer.resume(folder, pictures(), device="cpu")
    assert resumed.epoch == 2
    resumed.fit(progress=False)
    return dict(straight=end(straight), resumed=end(resumed))


if __name__ == "__main__":
    torch.set_num_threads(1)
    distributed.start()
    out, chosen, *words = sys.argv[1:]
    if "resume" in words:
        found = stop_and_resume(chosen, Path(out).with_suffix(""))
    else:
        kind = next((word for word in words if word in VARIANTS), "plain")
        found = train(chosen, kind, poison="poison" in words)
    if distributed.rank() == 0:
        torch.save(found, out)
    distributed.wait()

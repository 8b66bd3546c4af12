"""A short training in float64 without augmentation, in one process or, started by torchrun, in several.

python distributed_run.py OUT METHOD: process 0 writes terms, gradients, weights and statistics to OUT.
"""

import sys

import numpy as np
import torch

from plremix_core import batches, distributed, infer
from plremix_core.config import Config
from plremix_core.data import from_arrays
from plremix_core.trainer import Trainer


def plain_passes(images, order, weak, strong, *_):
    """Every view is the image itself, but brighter from view to view, so that views can be told apart."""
    for index in order:
        views = torch.stack([images[index].double() / 255 + 0.1 * v for v in range(weak + strong)])
        yield batches.Views(index, views[:weak], views[weak:], None)


def train(method: str, poison: bool = False) -> dict:
    """Three epochs of both networks; every step's terms, every epoch's row, the final state."""
    batches.passes, infer.normalise_batch = plain_passes, lambda views, data: views
    infer.normalise_views = lambda views, data: views.double() / 255
    rng = np.random.default_rng(0)
    true = np.arange(41) % 4
    images = (40 * true[:, None, None] + rng.integers(90, size=(41, 8, 8))).astype(np.uint8)
    given = np.where(rng.random(41) < 0.3, (true + 1) % 4, true)
    data = from_arrays(images, given, images[:9], true[:9], tuple("abcd"), true=true)
    config = Config(
        dataset="arrays", method=method, width=4, blocks=(1, 1), batch_size=4, epochs=3, warm_up=1, steps_per_epoch=3,
        kappa=((0, 2), (2, 1)), lambda_u=5.0, ramp_epochs=1, lr=0.05, device="cpu", confidence_penalty=True,
    )  # fmt: skip
    trainer = Trainer(config, data)
    for net in trainer.nets:
        net.double()
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
    history = trainer.fit(progress=False)
    states = [dict(net.state_dict()) for net in trainer.nets]
    rows = history.table.drop(columns="seconds").fillna(-1).to_numpy().tolist()
    return dict(steps=seen, states=states, rows=rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    distributed.start()
    found = train(sys.argv[2], poison="poison" in sys.argv)
    if distributed.rank() == 0:
        torch.save(found, sys.argv[1])
    distributed.wait()

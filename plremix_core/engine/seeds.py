"""Seeds and generators that follow from a run's seed and from what they are for, and from nothing else."""

import numpy as np
import torch


def seed_from(*keys: int) -> int:
    """Mix whole numbers >= 0 (seed, purpose, epoch, network, ...) into one seed below 2**63."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(*keys: int) -> torch.Generator:
    """A CPU generator seeded by `seed_from`."""
    return torch.Generator().manual_seed(seed_from(*keys))

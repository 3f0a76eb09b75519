"""How often a fault is repeated: a few times in ``make test``, more with DATAOPS_FAULT_ROUNDS."""

import os
from random import Random, SystemRandom

SEED = int(os.environ.get("DATAOPS_FAULT_SEED") or SystemRandom().randrange(10**6))


def rounds(usual: int) -> range:
    """``usual`` rounds, or as many as the environment says."""
    return range(int(os.environ.get("DATAOPS_FAULT_ROUNDS") or usual))


def chance() -> Random:
    """The same choices again with DATAOPS_FAULT_SEED; pytest shows the seed of a test that fails."""
    print(f"DATAOPS_FAULT_SEED={SEED}")
    return Random(SEED)

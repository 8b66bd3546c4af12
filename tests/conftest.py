"""One thread for every test: the numbers do not depend on the machine, and busy machines stay fast."""

import os

for name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
):  # before torch is imported; inherited by children
    os.environ[name] = "1"

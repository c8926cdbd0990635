"""What a process loads for its first compiled loop."""

import subprocess
import sys

LOOP = """
import sys
import numpy as np
from saelake.store.arrays.kernels import dot_products
one = np.ones(1, np.float32)
dot_products(np.array([0, 1]), np.zeros(1, np.uint32), one, one)
assert "scipy.linalg" not in sys.modules
"""

OF_ANYBODY = """
import numba
product = numba.njit(lambda a, b: np.dot(a, b))
assert (product(np.ones((2, 2)), np.ones((2, 2))) == 2).all()
assert "scipy.linalg" in sys.modules
"""


def test_loops_do_without_a_blas_and_others_still_find_it() -> None:
    subprocess.run([sys.executable, "-c", LOOP + OF_ANYBODY], check=True)

"""Types of arrays, by their elements."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Bools = NDArray[np.bool_]

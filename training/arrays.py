"""Names for the arrays that training passes around, by what their elements are."""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

"""Names for the arrays that training passes around."""

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Numbers = NDArray[np.float64]

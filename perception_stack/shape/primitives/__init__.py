"""Box, cylinder, ball or prism of an object of which one side is seen."""

from perception_stack.shape.primitives.fitting import fit_primitive, warm_up
from perception_stack.shape.primitives.record import Primitive

__all__ = ["Primitive", "fit_primitive", "warm_up"]

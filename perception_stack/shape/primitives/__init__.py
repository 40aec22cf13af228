"""Box, cylinder, ball or prism of an object of which one side is seen."""

from perception_stack.shape.primitives.fitting import Fitted, fit_primitive, warm_up
from perception_stack.shape.primitives.record import Primitive

__all__ = ["Fitted", "Primitive", "fit_primitive", "warm_up"]

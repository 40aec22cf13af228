"""The part of ROS 2's ``message_filters`` that perception_stack uses, for machines without ROS.

Filters are chained by callbacks: a filter hands each of its outputs to everyone who registered.
A callback may raise or feed the same filter again; neither locks anything for ever.
"""

from message_filters.cache import Cache
from message_filters.filters import SimpleFilter, Subscriber
from message_filters.synchronizers import ApproximateTimeSynchronizer, TimeSynchronizer

__all__ = [
    "ApproximateTimeSynchronizer",
    "Cache",
    "SimpleFilter",
    "Subscriber",
    "TimeSynchronizer",
]

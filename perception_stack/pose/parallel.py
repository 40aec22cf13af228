"""Work on several processors: compiled loops let go of the interpreter, so threads do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from perception_stack.datatypes import FloatArray

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


def threads_for_each(num_jobs: int) -> int:
    """How many threads each of some jobs at once may use, so that no processor rests."""
    return max((os.cpu_count() or 1) // max(num_jobs, 1), 1)


def in_parallel(
    function: Callable[[JobT], ResultT], jobs: Iterable[JobT], *, threads: int | None = None
) -> list[ResultT]:
    """The results in the order of the jobs.

    Args:
        function: Of one job.
        jobs: All of them.
        threads: How many at once; None for as many as there are processors.
    """
    jobs = list(jobs)
    workers = min(len(jobs), threads or os.cpu_count() or 1)
    if workers < 2:
        return [function(job) for job in jobs]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, jobs))


def by_parts(
    function: Callable[[FloatArray], FloatArray], rows: FloatArray, *, threads: int
) -> FloatArray:
    """What a function of N rows, which it takes one by one, makes of them.

    Args:
        function: Of [M, ...], for any M.
        rows: float64 [N, ...].
        threads: Into how many parts they are divided.
    """
    if threads < 2 or len(rows) < 2:
        return function(rows)
    parts = np.array_split(rows, min(threads, len(rows)))
    return np.concatenate(in_parallel(function, parts, threads=threads))

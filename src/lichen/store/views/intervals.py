"""Which messages a view has folded: intervals of ``received_no``, joined where they meet."""

Interval = tuple[int, int]
"""First and last number, both folded, and all between."""


def with_interval(intervals: tuple[Interval, ...], added: Interval) -> tuple[Interval, ...]:
    """Return intervals with one more, in order, joined with those it meets."""
    first, last = added
    apart: list[Interval] = []
    for other_first, other_last in intervals:
        if other_last + 1 < first or last + 1 < other_first:
            apart.append((other_first, other_last))
        else:
            first, last = min(first, other_first), max(last, other_last)
    return tuple(sorted([*apart, (first, last)]))


def first_gap(intervals: tuple[Interval, ...], last_no: int, first_no: int = 1) -> Interval | None:
    """Return the oldest run of numbers from ``first_no`` to ``last_no`` that is not folded."""
    start = first_no
    end = last_no
    for first, last in intervals:
        if last < start:
            continue
        if start < first:
            end = min(first - 1, last_no)
            break
        start = last + 1
    return (start, end) if start <= end else None


def last_gap(intervals: tuple[Interval, ...], last_no: int, first_no: int = 1) -> Interval | None:
    """Return the newest run of numbers from ``first_no`` to ``last_no`` that is not folded."""
    start = first_no
    end = last_no
    for first, last in reversed(intervals):
        if end < first:
            continue
        if last < end:
            start = max(last + 1, first_no)
            break
        end = first - 1
    return (start, end) if start <= end else None


def count(intervals: tuple[Interval, ...]) -> int:
    """Return how many messages are folded."""
    return sum(last - first + 1 for first, last in intervals)

"""Compiled: sets as ascending arrays (int64), and where the values of one are in another."""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array

FEW = 16  # times as many: then each of the fewer is searched for, in ever longer steps


@compiled
def _reached(values: Array, at: Any, value: Any, gallops: bool) -> Any:
    """The first place from `at` on whose value is not below."""
    if not gallops:
        while at < len(values) and values[at] < value:
            at += 1
        return at
    step = 1
    while at + step < len(values) and values[at + step] < value:
        at += step
        step *= 2
    high = min(at + step, len(values))
    while at < high:
        middle = (at + high) >> 1
        if values[middle] < value:
            at = middle + 1
        else:
            high = middle
    return at


@compiled
def intersection(few: Array, many: Array) -> Any:
    """The values that are in both, each once as `few` has them."""
    found = np.empty(len(few), np.int64)
    n, at, gallops = 0, 0, len(many) > FEW * len(few)
    for value in few:
        at = _reached(many, at, value, gallops)
        if at == len(many):
            break
        if many[at] == value:
            found[n] = value
            n += 1
    return found[:n]


@compiled
def union(a: Array, b: Array) -> Any:
    """The values that are in either, once each."""
    found = np.empty(len(a) + len(b), np.int64)
    n, i, j = 0, 0, 0
    while i < len(a) or j < len(b):
        if j == len(b) or (i < len(a) and a[i] <= b[j]):
            value = a[i]
            i += 1
        else:
            value = b[j]
            j += 1
        if n == 0 or found[n - 1] != value:
            found[n] = value
            n += 1
    return found[:n]


@compiled
def matches(wanted: Array, values: Array) -> Any:
    """The pairs of equal values, of arrays without repetitions: their indices, int64."""
    size = min(len(wanted), len(values))
    mine, theirs = np.empty(size, np.int64), np.empty(size, np.int64)
    n, at, first = 0, 0, 0
    is_few = len(values) > FEW * len(wanted)
    are_many = len(wanted) > FEW * len(values)
    if are_many:
        for j in range(len(values)):
            first = _reached(wanted, first, values[j], gallops=True)
            if first == len(wanted):
                break
            if wanted[first] == values[j]:
                mine[n], theirs[n] = first, j
                n += 1
        return mine[:n], theirs[:n]
    for i in range(len(wanted)):
        at = _reached(values, at, wanted[i], is_few)
        if at == len(values):
            break
        if values[at] == wanted[i]:
            mine[n], theirs[n] = i, at
            n += 1
    return mine[:n], theirs[:n]

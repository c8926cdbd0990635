"""Compiled loops over sparse rows and posting lists. The one file that speaks numba.

Every kernel lets go of Python's lock, and each has a twin in NumPy or SciPy in the tests. The
first call of a kernel compiles it, about a second; later processes load it from numba's cache.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from saelake.store.format.lists import Array

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

STEPS = 1024  # in which a query's gains are told apart


def _load_without_scipy() -> None:
    """Load the part of numba that asks for a BLAS as it is loaded, by importing `scipy.linalg`.

    That is a third of numba's start, and no loop here needs one. A loop of anybody's that does asks
    again when it is compiled.
    """
    asks: Any = import_module("numba.np.linalg")
    if "numba.np.arraymath" in sys.modules or find_spec("scipy") is None:
        return
    ask = asks.ensure_blas
    asks.ensure_blas = lambda: None
    try:
        loaded: Any = import_module("numba.np.arraymath")
        loaded.ensure_blas = ask
    finally:
        asks.ensure_blas = ask


_load_without_scipy()


# The C library's pread: bytes of an open file from a place on, whatever others read of it.
read_at = types.ExternalFunction(
    "pread", types.int64(types.int32, types.voidptr, types.uintp, types.int64)
)


def compiled(loop: Kernel) -> Kernel:
    """The loop as machine code, made when it is first called with arguments of some types."""
    made: Kernel = njit(cache=True, nogil=True)(loop)
    return made


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def ask_ahead(_: Any, data: Any, _at: Any) -> Any:
    """Ask memory for the line with this place (int64) of an array, for who reads it soon.

    That it is in the array is not checked, and does not matter.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        of_type = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        ask = cgutils.get_or_insert_function(builder.module, of_type, "llvm.prefetch.p0i8")
        to_read, to_stay, of_data = number(0), number(3), number(1)
        builder.call(ask, [builder.bitcast(place, byte), to_read, to_stay, of_data])
        return context.get_dummy_value()

    return types.void(data, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def word_of(_: Any, data: Any, _at: Any) -> Any:
    """The eight bytes of an uint8 array from a place (int64) on, as uint64, lowest first.

    That they are in the array is not checked.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        wide = context.get_value_type(types.uint64).as_pointer()
        return builder.load(builder.bitcast(place, wide), align=1)

    return types.uint64(data, types.int64), generate


@compiled
def products(offsets: Array, features: Array, values: Array, query: Array, weight: Array) -> Any:
    """Per row sum(q v) and sum(w v^2), float32 (n,): one pass over the values.

    `query` and `weight` float32 (d_sae,) are dense; `query` already has the weights on both sides.
    Both of a feature are read at once, and two sums of each go on side by side.
    """
    n = len(offsets) - 1
    both = np.empty((len(query), 2), np.float32)
    for feature in range(len(query)):
        both[feature, 0], both[feature, 1] = query[feature], weight[feature]
    dot, square = np.empty(n, np.float32), np.empty(n, np.float32)
    for row in range(n):
        q, other_q = np.float32(0), np.float32(0)
        w, other_w = np.float32(0), np.float32(0)
        begin, end = offsets[row], offsets[row + 1]
        even = begin + ((end - begin) >> 1 << 1)
        for i in range(begin, even, 2):
            a, b = np.int64(features[i]), np.int64(features[i + 1])
            v, u = values[i], values[i + 1]
            q += both[a, 0] * v
            w += both[a, 1] * (v * v)
            other_q += both[b, 0] * u
            other_w += both[b, 1] * (u * u)
        for i in range(even, end):
            a, v = np.int64(features[i]), values[i]
            q += both[a, 0] * v
            w += both[a, 1] * (v * v)
        dot[row], square[row] = q + other_q, w + other_w
    return dot, square


@compiled
def dot_products(offsets: Array, features: Array, values: Array, query: Array) -> Any:
    """Per row sum(q v), float32 (n,), of a query (float32, of every feature): four sums a row."""
    n = len(offsets) - 1
    found = np.empty(n, np.float32)
    for row in range(n):
        a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        begin, end = offsets[row], offsets[row + 1]
        last = begin + ((end - begin) >> 2 << 2)
        for i in range(begin, last, 4):
            a += query[np.int64(features[i])] * values[i]
            b += query[np.int64(features[i + 1])] * values[i + 1]
            c += query[np.int64(features[i + 2])] * values[i + 2]
            d += query[np.int64(features[i + 3])] * values[i + 3]
        for i in range(last, end):
            a += query[np.int64(features[i])] * values[i]
        found[row] = (a + b) + (c + d)
    return found


@compiled
def row_lengths(offsets: Array, values: Array) -> Any:
    """The length of each row, float32 (n,)."""
    found = np.empty(len(offsets) - 1, np.float32)
    for row in range(len(found)):
        total = np.float32(0)
        for i in range(offsets[row], offsets[row + 1]):
            total += values[i] * values[i]
        found[row] = np.sqrt(total)
    return found


@compiled
def overlaps(offsets: Array, features: Array, values: Array, query: Array, weight: Array) -> Any:
    """Per row sum(min(q, w v)) and sum(w v), float32 (n,); `query` has the weights in it."""
    n = len(offsets) - 1
    shared, total = np.empty(n, np.float32), np.empty(n, np.float32)
    for row in range(n):
        s = np.float32(0)
        t = np.float32(0)
        for i in range(offsets[row], offsets[row + 1]):
            feature = features[i]
            value = weight[feature] * values[i]
            s += min(query[feature], value)
            t += value
        shared[row], total[row] = s, t
    return shared, total


@compiled
def dots(
    rows: Array, offsets: Array, features: Array, values: Array, query: Array, scale: Array
) -> Any:
    """sum(q v) times the row's scale, for these rows only, float32 (n_rows,)."""
    out = np.empty(len(rows), np.float32)
    for i in range(len(rows)):
        row = rows[i]
        total = np.float32(0)
        for j in range(offsets[row], offsets[row + 1]):
            total += query[features[j]] * values[j]
        out[i] = total * scale[row]
    return out


@compiled
def copied_rows(
    offsets: Array, features: Array, values: Array, rows: Array, new_offsets: Array
) -> Any:
    """The features and values of these rows, row i from `new_offsets[i]` on."""
    own_features = np.empty(new_offsets[-1], features.dtype)
    own_values = np.empty(new_offsets[-1], values.dtype)
    for i in range(len(rows)):
        begin, end = offsets[rows[i]], offsets[rows[i] + 1]
        own_features[new_offsets[i] : new_offsets[i + 1]] = features[begin:end]
        own_values[new_offsets[i] : new_offsets[i + 1]] = values[begin:end]
    return own_features, own_values


@compiled
def spans_of(offsets: Array, features: Array, counts: Array, begins: Array, wanted: Array) -> Any:
    """Where in each row's values those of some features are.

    A row has its features ascending, and `counts` values of each, end to end from `begins[row]`
    on; `wanted` ascends. Returns first and count, int64 (n_wanted, n_rows): none has the count 0.
    """
    n_rows = len(offsets) - 1
    first = np.zeros((len(wanted), n_rows), np.int64)
    count = np.zeros((len(wanted), n_rows), np.int64)
    for row in range(n_rows):
        at = begins[row]
        w = 0
        for i in range(offsets[row], offsets[row + 1]):
            while w < len(wanted) and wanted[w] < features[i]:
                w += 1
            if w == len(wanted):
                break
            if wanted[w] == features[i]:
                first[w, row] = at
                count[w, row] = counts[i]
            at += counts[i]
    return first, count


@compiled
def by_impact(offsets: Array, features: Array, impacts: Array, d_sae: int, n_levels: int) -> Any:
    """Rows turned into lists of (feature, impact level), by counting; rows ascend in each list.

    `impacts` uint8 in [1, n_levels]. Returns the rows of all lists end to end (uint16), and where
    list `feature * n_levels + (n_levels - level)` begins, int64 (d_sae * n_levels + 1,): the
    strongest level of a feature first.
    """
    starts = np.zeros(d_sae * n_levels + 1, np.int64)
    for i in range(len(features)):
        starts[np.int64(features[i]) * n_levels + n_levels - impacts[i] + 1] += 1
    for i in range(len(starts) - 1):
        starts[i + 1] += starts[i]
    cursor = starts[:-1].copy()
    rows = np.empty(len(features), np.uint16)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            cell = np.int64(features[i]) * n_levels + n_levels - impacts[i]
            rows[cursor[cell]] = row
            cursor[cell] += 1
    return rows, starts


@compiled
def _step(gain: Any, largest: Any) -> int:
    """Which of 1,024 equal steps up to the largest a gain is in."""
    return int(gain / largest * np.float32(STEPS - 1))


@compiled
def least_step(
    asked: Array, values: Array, cells: Array, begins: Array, levels: Array, budget: int
) -> Any:
    """The largest gain of a query, and the lowest step whose cells are within the budget.

    See `accumulate_best`; the highest step is taken whatever it costs.
    """
    largest = np.float32(0)
    for f in asked:
        for cell in range(cells[f], cells[f + 1]):
            largest = max(largest, values[f] * levels[cell])
    sizes = np.zeros(STEPS, np.int64)
    for f in asked:
        for cell in range(cells[f], cells[f + 1]):
            sizes[_step(values[f] * levels[cell], largest)] += begins[cell + 1] - begins[cell]
    least = STEPS - 1
    spent = sizes[least]
    while least > 0 and spent + sizes[least - 1] <= budget:
        least -= 1
        spent += sizes[least]
    return largest, least


@compiled
def accumulate_best(
    asked: Array,
    values: Array,
    cells: Array,
    begins: Array,
    levels: Array,
    rows: Array,
    budget: int,
    sums: Array,
) -> None:
    """Add a query's gains to `sums` (float32, one a row), the largest first, within a budget.

    `asked` are features with `values` (float32) above 0. Feature f has the cells `cells[f]` to
    `cells[f + 1]`; cell i the rows `rows[begins[i]:begins[i + 1]]`, which gain `levels[i]` times
    the value. Gains are told apart in 1,024 steps; cells of the step that breaks the budget are
    left out, with all below.
    """
    largest, least = least_step(asked, values, cells, begins, levels, budget)
    for f in asked:
        for cell in range(cells[f], cells[f + 1]):
            gain = values[f] * levels[cell]
            if _step(gain, largest) >= least:
                for at in range(begins[cell], begins[cell + 1]):
                    sums[rows[at]] += gain


@compiled
def strongest(sums: Array, keep: Array, k: int) -> Any:
    """The rows with the `k` largest sums among those to `keep` (bool, or empty for all).

    In no order; of equal sums the earlier row. Int64 (at most k,). One pass, with a heap.
    """
    heap_sum = np.empty(k, np.float32)
    heap_row = np.empty(k, np.int64)
    size = 0
    for row in range(len(sums)):
        value = sums[row]
        if value <= 0 or (len(keep) and not keep[row]):
            continue
        if size < k:
            at = size
            size += 1
            while at > 0 and heap_sum[(at - 1) >> 1] >= value:  # equal: a later row goes first
                heap_sum[at], heap_row[at] = heap_sum[(at - 1) >> 1], heap_row[(at - 1) >> 1]
                at = (at - 1) >> 1
        elif value > heap_sum[0]:
            at = 0
            while True:
                child = 2 * at + 1
                if child >= size:
                    break
                if child + 1 < size and (
                    heap_sum[child + 1] < heap_sum[child]
                    or (
                        heap_sum[child + 1] == heap_sum[child]
                        and heap_row[child + 1] > heap_row[child]
                    )
                ):
                    child += 1
                if heap_sum[child] >= value:
                    break
                heap_sum[at], heap_row[at] = heap_sum[child], heap_row[child]
                at = child
        else:
            continue
        heap_sum[at], heap_row[at] = value, row
    return heap_row[:size]


@compiled
def co_occurrences(
    cursor: Array, offsets: Array, features: Array, first: int, counts: Array
) -> None:
    """Add to `counts[f - first, g]` (uint32) the rows that have both f and a larger g.

    For features f in [first, first + len(counts)). Features ascend in a row; `cursor` is where in
    each row the first f is, and is moved past the last.
    """
    last = first + len(counts)
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        at = cursor[row]
        while at < end and features[at] < last:
            line = counts[features[at] - first]
            at += 1
            for j in range(at, end):
                line[features[j]] += np.uint32(1)
        cursor[row] = at


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def _ones(_: Any, word: Any) -> Any:
    """How many bits of an uint64 are set: one instruction, of which compilers make vectors."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(word), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def fetch_ahead(_: Any, values: Any, __: Any) -> Any:
    """Begin to bring the line of a core's cache with `values[i]`, which may be past their end.

    Compilers do not do so by themselves, and cores only for what lies in order.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        form = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        loop = builder.module.declare_intrinsic("llvm.prefetch", (place.type,), form)
        builder.call(loop, [place, number(0), number(3), number(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(values, types.int64), generate


@compiled
def set_bits(offsets: Array, features: Array, bits: Array) -> None:
    """Set bit `row` of `bits[feature]` (uint64, 64 rows a word) for each feature of each row."""
    for row in range(len(offsets) - 1):
        word, bit = row >> 6, np.uint64(1) << np.uint64(row & 63)
        for i in range(offsets[row], offsets[row + 1]):
            bits[features[i], word] |= bit


@compiled
def count_bits(bits: Array, keep: Array, counts: Array) -> None:
    """Add to `counts[f]` (int64) how many bits f has among those to `keep` (uint64, as a row)."""
    for f in range(len(bits)):
        mine = bits[f]
        found = np.uint64(0)
        for word in range(len(keep)):
            found += _ones(mine[word] & keep[word])
        counts[f] += np.int64(found)


@compiled
def shared_bits(bits: Array, counts: Array, n_words: int, n_features: int) -> None:
    """Add to `counts[f, g]` (uint32) how many bits f and a larger g share, f < len(counts).

    Tiles of `n_words` words of `n_features` features are compared with four others at a time, so
    that what is read is used four times.
    """
    n, last = bits.shape[0], len(counts) - 1
    for begin in range(0, bits.shape[1], n_words):
        end = min(begin + n_words, bits.shape[1])
        for tile in range(0, n, n_features):
            stop = min(tile + n_features, n)
            for f in range(0, min(len(counts), stop), 4):
                mine_0 = bits[f, begin:end]
                mine_1 = bits[min(f + 1, last), begin:end]
                mine_2 = bits[min(f + 2, last), begin:end]
                mine_3 = bits[min(f + 3, last), begin:end]
                for g in range(max(tile, f + 1), stop):
                    theirs = bits[g, begin:end]
                    n_0, n_1, n_2, n_3 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
                    for word in range(len(theirs)):
                        n_0 += _ones(mine_0[word] & theirs[word])
                        n_1 += _ones(mine_1[word] & theirs[word])
                        n_2 += _ones(mine_2[word] & theirs[word])
                        n_3 += _ones(mine_3[word] & theirs[word])
                    counts[f, g] += np.uint32(n_0)
                    if f < last and g > f + 1:
                        counts[f + 1, g] += np.uint32(n_1)
                    if f + 1 < last and g > f + 2:
                        counts[f + 2, g] += np.uint32(n_2)
                    if f + 2 < last and g > f + 3:
                        counts[f + 3, g] += np.uint32(n_3)


@compiled
def cross_occurrences(
    cursor: Array,
    offsets: Array,
    features: Array,
    other_offsets: Array,
    other: Array,
    first: int,
    counts: Array,
) -> None:
    """Add to `counts[f - first, g]` (uint32) the rows that have f on one side and g on the other.

    As `co_occurrences`, but for every g of `other`, whose rows are the same documents.
    """
    last = first + len(counts)
    for row in range(len(offsets) - 1):
        begin, end = other_offsets[row], other_offsets[row + 1]
        at = cursor[row]
        while at < offsets[row + 1] and features[at] < last:
            line = counts[features[at] - first]
            at += 1
            for j in range(begin, end):
                line[other[j]] += np.uint32(1)
        cursor[row] = at


@compiled
def cross_shares(
    cursor: Array,
    offsets: Array,
    features: Array,
    shares: Array,
    other_offsets: Array,
    other: Array,
    other_shares: Array,
    first: int,
    counts: Array,
    sums: Array,
) -> None:
    """As `cross_occurrences`; and add to `sums[f - first, g]` (float64) the products of shares."""
    last = first + len(counts)
    for row in range(len(offsets) - 1):
        begin, end = other_offsets[row], other_offsets[row + 1]
        at = cursor[row]
        while at < offsets[row + 1] and features[at] < last:
            count, line = counts[features[at] - first], sums[features[at] - first]
            share = shares[at]
            at += 1
            for j in range(begin, end):
                count[other[j]] += np.uint32(1)
                line[other[j]] += share * other_shares[j]
        cursor[row] = at


@compiled
def tails(
    cells: Array, points: Array, value: Array, chance: Array, observed: Array, most: int
) -> Any:
    """The chances that a sum of independent numbers is below, at, and above what was observed.

    Sum i is of the cells `cells[i]` to `cells[i + 1]`; cell j is one of the numbers
    `value[points[j]]` to `value[points[j + 1]]`, with these chances. A sum has at most `most`
    outcomes. Returns float64 (n_sums, 3).
    """
    n = len(cells) - 1
    found = np.zeros((n, 3))
    sums, chances = np.empty(most), np.empty(most)
    for i in range(n):
        sums[0], chances[0], width = 0.0, 1.0, 1
        for j in range(cells[i], cells[i + 1]):
            begin, end = points[j], points[j + 1]
            for p in range(end - 1, begin - 1, -1):  # the first point last, for it is in place
                at = (p - begin) * width
                for s in range(width):
                    sums[at + s] = sums[s] + value[p]
                    chances[at + s] = chances[s] * chance[p]
            width *= end - begin
        near = 1e-9 * (1.0 + abs(observed[i]))
        for s in range(width):
            if sums[s] < observed[i] - near:
                found[i, 0] += chances[s]
            elif sums[s] > observed[i] + near:
                found[i, 2] += chances[s]
            else:
                found[i, 1] += chances[s]
    return found

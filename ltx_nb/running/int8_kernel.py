"""A Triton kernel: an int8 product whose sums are scaled, biased and rounded before they leave the chip.

`torch._int_mm` writes its sums out in four bytes each and reads them again to scale them, ten bytes for each value of
the result against two: on an RTX 3070 (448 GB/s, 162 TOPS by its datasheet) 1.5 ms beside the 3.4 ms of a product of
4096x4096x16384. Needs Triton and int8 of compute capability 8.0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from triton.runtime.errors import OutOfResources

GROUP_ROWS = 8  # tiles of as many rows of tokens share the weights that lie in the cache
TILES = tuple(
    {"ROWS": rows, "COLUMNS": columns, "DEPTH": depth, "num_warps": warps, "num_stages": stages}
    for rows, columns, depth, warps, stages in (
        (128, 256, 64, 8, 3),
        (128, 256, 128, 8, 3),
        (128, 128, 128, 8, 3),
        (128, 128, 64, 4, 4),
        (64, 128, 64, 4, 4),
    )
)
TRIES = 3  # of each tile, to find the fastest


@triton.jit(do_not_specialize=["num_tokens"])  # else compiled anew where their number is no multiple of 16
def _kernel(
    values,
    weight,
    token_scale,
    row_scale,
    bias,
    out,
    num_tokens,
    num_columns,
    depth,
    stride_values,
    stride_weight,
    stride_out,
    HAS_BIAS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    GROUP: tl.constexpr,
):
    # Neighbouring programs take tiles below each other, GROUP at a time: Triton's tutorial on matrix products.
    tile = tl.program_id(0)
    down, across = tl.cdiv(num_tokens, ROWS), tl.cdiv(num_columns, COLUMNS)
    first = tile // (GROUP * across) * GROUP
    height = min(down - first, GROUP)
    row = first + tile % (GROUP * across) % height
    column = tile % (GROUP * across) // height
    rows = row * ROWS + tl.arange(0, ROWS)
    columns = column * COLUMNS + tl.arange(0, COLUMNS)
    steps = tl.arange(0, DEPTH)
    # What lies beyond the edges is read from inside them and not written. 64 bits: an FFN of 32,640 tokens has 5e8.
    from_values = values + (rows % num_tokens).to(tl.int64)[:, None] * stride_values + steps[None, :]
    from_weight = weight + (columns % num_columns).to(tl.int64)[None, :] * stride_weight + steps[:, None]
    sums = tl.zeros((ROWS, COLUMNS), dtype=tl.int32)
    for done in range(0, depth, DEPTH):
        is_inside = steps < depth - done
        a = tl.load(from_values, mask=is_inside[None, :], other=0)
        b = tl.load(from_weight, mask=is_inside[:, None], other=0)
        sums = tl.dot(a, b, sums, out_dtype=tl.int32)
        from_values += DEPTH
        from_weight += DEPTH
    row_inside, column_inside = rows < num_tokens, columns < num_columns
    of_tokens = tl.load(token_scale + rows, mask=row_inside, other=0.0)
    of_columns = tl.load(row_scale + columns, mask=column_inside, other=0.0)
    scaled = sums.to(tl.float32) * of_tokens[:, None] * of_columns[None, :]
    if HAS_BIAS:
        scaled += tl.load(bias + columns, mask=column_inside, other=0.0).to(tl.float32)[None, :]
    to = out + rows.to(tl.int64)[:, None] * stride_out + columns[None, :]
    tl.store(to, scaled.to(out.dtype.element_ty), mask=row_inside[:, None] & column_inside[None, :])


def scaled_product(
    values: torch.Tensor,
    weight: torch.Tensor,
    token_scale: torch.Tensor,
    row_scale: torch.Tensor,
    bias: torch.Tensor | None,
    dtype: torch.dtype,
    tile: dict[str, int] | None = None,
) -> torch.Tensor:
    """Return values int8 [T, K] x weight int8 [N, K] x their float32 scales, [T, 1] and [N, 1], plus bias [N]: [T, N].

    tile: one as in TILES; by default the fastest of them, found at the first product of each N and K. Raises whatever
    Triton does where it cannot compile the kernel.
    """
    (tokens, depth), columns = values.shape, len(weight)
    values, weight = values.contiguous(), weight.contiguous()
    out = torch.empty(tokens, columns, dtype=dtype, device=values.device)

    def launch(tile: dict[str, int]) -> None:
        grid = (triton.cdiv(tokens, tile["ROWS"]) * triton.cdiv(columns, tile["COLUMNS"]),)
        _kernel[grid](
            values,
            weight,
            token_scale.contiguous(),
            row_scale.contiguous(),
            row_scale if bias is None else bias,
            out,
            tokens,
            columns,
            depth,
            values.stride(0),
            weight.stride(0),
            out.stride(0),
            HAS_BIAS=bias is not None,
            GROUP=GROUP_ROWS,
            **tile,
        )

    launch(_fastest(launch, values.device, columns, depth) if tile is None else tile)
    return out


_FASTEST: dict[tuple[torch.device, int, int], dict[str, int]] = {}


def _fastest(
    launch: Callable[[dict[str, int]], None], device: torch.device, columns: int, depth: int
) -> dict[str, int]:
    """Return the fastest tile for products of this shape. A card that lacks the shared memory for one does without."""
    key = (device, columns, depth)
    if key not in _FASTEST:
        taken: list[tuple[float, dict[str, int]]] = []
        for tile in TILES:
            try:
                launch(tile)  # compiles
            except OutOfResources:
                continue
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(TRIES):
                launch(tile)
            end.record()
            end.synchronize()
            taken.append((begin.elapsed_time(end), tile))
        _FASTEST[key] = min(taken, key=lambda one: one[0])[1]
    return _FASTEST[key]

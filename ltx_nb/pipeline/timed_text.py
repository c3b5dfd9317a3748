"""Several texts for one clip, each for tokens of its time: their embeddings side by side, and a bias on attention.

A token looks at a text as far as its own stretch of time lies in the text's: the bias is the logarithm of that share,
which attention adds before its softmax, so that of two texts alike a token that is half in each takes half of each. The
arithmetic is the transformer's own, which takes such a bias for its text mask; nothing of the model is changed or
trained. Others let the bias fall off from a span's edges (Prompt Relay, arXiv 2604.10030); the share has no number to
set. Knows tensors and times; no request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from ltx_nb.shapes import TIME_TOLERANCE_S

HIDDEN = -10_000.0  # as the transformer hides words

Spans = Sequence[tuple[float, float]]


def text_bias(intervals_s: torch.Tensor, spans_s: Sequence[Spans]) -> torch.Tensor:
    """Return the bias of each token on the words of each text, float32 [tokens, texts].

    intervals_s: [tokens, 2], when each token begins and ends. spans_s: of each text, those that it is for; together
    they leave nothing out. A token beyond the clip's end, as the last of the sound can be, takes the text of the end.
    """
    starts, ends = intervals_s.unbind(1)
    last_s = max(end_s for spans in spans_s for _, end_s in spans)
    columns = []
    for spans in spans_s:
        covered = torch.zeros_like(starts)
        for start_s, end_s in spans:
            until_s = math.inf if end_s >= last_s - TIME_TOLERANCE_S else end_s
            covered += (ends.clamp(max=until_s) - starts.clamp(min=start_s)).clamp(min=0)
        share = (covered / (ends - starts)).clamp(max=1)
        columns.append(share.log().clamp(min=HIDDEN))
    return torch.stack(columns, dim=1)


def side_by_side(texts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return one prompt's embeddings by name with the words of all texts in it; the negative one's are the first's."""
    first, *others = texts
    names = [name for name in first if not name.startswith("negative_")] if others else []
    return dict(first) | {name: torch.cat([text[name] for text in texts], dim=1) for name in names}

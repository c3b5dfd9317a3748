"""Memory presets as plain data: what stays on a card, what streams, and the card's speed as assumed for estimates.

Copy one and change it with `dataclasses.replace`. Knows no model and no request: `ltx_nb.planning.budget` does the
sums. GB is 1e9 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ltx_nb.checks import choice, finite_number, whole_number

RAM_SHARE = 0.9  # of a machine's RAM, what can be used; the rest is the system's
ALL_BLOCKS = 1000  # more than any model has
KINDS = ("cuda", "mps", "cpu")
OFFLOADS = ("ram", "disk")
COMPUTES = ("float", "int8", "fp8")
CUDA_CONTEXT_GB = 0.84  # as an H200 with torch 2.11 has it


@dataclass(frozen=True)
class Preset:
    """Where weights are and in what form.

    kind: "cuda", "mps" or "cpu"; the last two have one memory for everything.
    vram_gb: of the card, of which spare_gb are left to the display and to fragments. ram_gb: of its machine.
    context_gb: what CUDA takes beside all this, of a CUDA card; 0 where vram_gb is what is free once CUDA has begun.
    weight_bytes: of attention and feed-forward in the transformer's blocks: 1 is int8 by row, or scaled fp8 from a file
        that has it; else as compute_bytes.
    compute_bytes: of activations and all other weights: 2 is bf16, 4 is float32.
    compute: how weights of one byte are multiplied: "float" in the dtype of activations, or "int8" or "fp8" with
        activations brought to that by token, but in the first and the last block, and where the device can.
    resident_blocks: the most transformer blocks that stay on the card; the others stream through two slots.
    offload: where blocks wait that do not stay: page-locked "ram", or "disk", read anew in every forward. Where there
        is one memory for everything, the disk is the only other place.
    keeps_all: connectors, VAEs, vocoder and upsampler stay on the card too.
    keeps_text: the text encoder and the connectors stay on the card too.
    lean: tokens go through the transformer in chunks, which bounds what it takes beside the weights.
    int8_tflops: as tflops, of products in int8; 0 where they are no faster.
    tflops, bus_gb_s, disk_gb_s: what estimates of seconds assume of matrix products, of copies to the card and of
        reading files.

    Raises ValueError for values that no card can be used by.
    """

    name: str
    card: str
    kind: str
    vram_gb: float
    ram_gb: float
    weight_bytes: int
    compute_bytes: int
    resident_blocks: int
    tflops: float
    bus_gb_s: float = 24.0  # PCIe 4.0 x16 as copies reach it
    disk_gb_s: float = 3.0  # an NVMe disk
    spare_gb: float = 0.8
    offload: str = "ram"
    keeps_all: bool = False
    keeps_text: bool = False
    lean: bool = True
    context_gb: float = CUDA_CONTEXT_GB
    compute: str = "float"
    int8_tflops: float = 0.0

    def __post_init__(self) -> None:
        choice("kind", self.kind, KINDS)
        choice("compute", self.compute, COMPUTES)
        choice("offload", self.offload, OFFLOADS)
        whole_number("resident_blocks", self.resident_blocks, least=0)
        for name in ("vram_gb", "ram_gb", "spare_gb", "context_gb", "int8_tflops"):
            finite_number(name, getattr(self, name))
        for name in ("tflops", "bus_gb_s", "disk_gb_s"):
            finite_number(name, getattr(self, name), least=1e-3)
        if self.compute_bytes not in (2, 4) or self.weight_bytes not in (1, self.compute_bytes):
            raise ValueError(
                f"weight_bytes={self.weight_bytes!r} with compute_bytes={self.compute_bytes!r}; compute_bytes is 2 or "
                "4, and weight_bytes is 1 or the same"
            )

    @property
    def streams(self) -> bool:
        """Whether blocks that find no room there may come one after the other; a CPU reads them where they lie."""
        return self.kind != "cpu"

    def computing_in(self, num_bytes: int) -> Preset:
        """The preset with activations, and weights unless they have one byte, of another dtype."""
        return replace(self, compute_bytes=num_bytes, weight_bytes=1 if self.weight_bytes == 1 else num_bytes)


# tflops: half of what the vendor states for dense bf16 with float32 sums (float32 for the T4); int8_tflops: half of
# what it states for dense int8. Whole forwards on an H100 reached 0.50 of its 989 TFLOP/s, and the kernel of int8
# products 0.53 to 0.58 of its 1,979 (benchmarks/presets.json).
PRESETS = {
    preset.name: preset
    for preset in (
        Preset("8gb", "RTX 3070", "cuda", 8, 32, 1, 2, resident_blocks=6, tflops=20, compute="int8", int8_tflops=81),
        Preset("12gb", "RTX 3060", "cuda", 12, 32, 1, 2, resident_blocks=14, tflops=13, compute="int8", int8_tflops=51),
        Preset(
            "16gb",
            "RTX 4060 Ti",
            "cuda",
            16,
            32,
            1,
            2,
            resident_blocks=28,
            tflops=22,
            bus_gb_s=12,
            compute="int8",
            int8_tflops=88,
        ),
        Preset(
            "24gb",
            "RTX 4090",
            "cuda",
            24,
            32,
            1,
            2,
            resident_blocks=ALL_BLOCKS,
            tflops=82,
            compute="int8",
            int8_tflops=330,
        ),
        Preset("80gb", "H100", "cuda", 80, 128, 2, 2, resident_blocks=ALL_BLOCKS, tflops=495, keeps_all=True),
        Preset(
            "colab-t4",
            "Tesla T4",
            "cuda",
            15.6,
            13.6,
            1,
            4,
            resident_blocks=26,
            tflops=4,
            bus_gb_s=12,
            disk_gb_s=1,
            offload="disk",
        ),
        Preset(
            "mps", "Apple M-series, 64 GB", "mps", 48, 64, 1, 2, resident_blocks=ALL_BLOCKS, tflops=8, offload="disk"
        ),
        Preset("cpu", "any CPU, 40 GB", "cpu", 0, 40, 1, 4, resident_blocks=ALL_BLOCKS, tflops=0.3, disk_gb_s=1),
    )
}


CARDS = sorted((preset for preset in PRESETS.values() if preset.kind == "cuda"), key=lambda preset: preset.vram_gb)


def named_preset(name: str) -> Preset:
    """The preset called `name`. Raises ValueError for another name."""
    return PRESETS[choice("preset", name, PRESETS)]

"""Every limit that reading a file keeps to, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a model file may make this process do.

    Attributes:
        array_bytes: Largest array, in bytes in memory.
        total_bytes: All arrays of one file together, in bytes in memory.
        total_floor: Up to this many bytes they may take together, however small the file is.
        expansion: How many times larger than its stored bytes a compressed array or member may be, and all arrays
            together than the file.
        expansion_floor: Up to this many bytes it may be, however few are stored.
        unpacked_floor: Up to this many bytes the files of an archive that `get_file` unpacks may take together.
        text_bytes: Largest text: a configuration, a list of names.
        names: Most members of a group, most names in a list.
        depth: Deepest nesting of groups.
        nesting: Deepest nesting of lists and dictionaries in a configuration.
        layers: Most layers of a model, and other objects, of a configuration; those of nested models are counted.
        axes: Most axes of an array or a shape, which is what NumPy has.
        thresholds: Most thresholds of a metric.
        members: Most members of a zip archive.
    """

    array_bytes: int = 64 << 30
    total_bytes: int = 256 << 30
    total_floor: int = 256 << 20
    expansion: int = 100
    expansion_floor: int = 32 << 20
    unpacked_floor: int = 4 << 30
    text_bytes: int = 256 << 20
    names: int = 1_000_000
    depth: int = 100
    nesting: int = 1000
    layers: int = 100_000
    axes: int = 64
    thresholds: int = 100_000
    members: int = 100_000

    def unpacked(self, stored: int) -> int:
        """How many bytes may come out of so many compressed ones; none out of none."""
        return max(self.expansion_floor, stored * self.expansion) if stored else 0


LIMITS = Limits()

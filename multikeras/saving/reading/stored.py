"""What a data set of an HDF5 file may be, seen before it is read.

Reading runs the filters of the file inside libhdf5, which takes as much memory as the packed bytes
unfold to, whatever the data set declares, and reads past the end where they unfold to less. So packed
pieces are unpacked here first, with a limit, and each has to give what the data set declares.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.reading.faults import CorruptFileError, UnsafeFileError

if TYPE_CHECKING:
    from multikeras.saving.reading.reader import Budget


def check(dataset: Any, budget: Budget, where: str, what: str) -> None:
    """Makes sure that an array is stored in its file, holds numbers, and is not larger than it may be.

    Args:
        dataset: The data set of h5py.
        budget: What is left of the limits; the size of the array is taken from it.
        where: Where it stands, for messages.
        what: Its name, for messages.

    Raises:
        UnsafeFileError: If it may not be read.
        CorruptFileError: If its packed bytes are damaged.
    """
    h5py = _h5py()
    plist = dataset.id.get_create_plist()
    layout = plist.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        raise UnsafeFileError(f"{where}: {what} is virtual: its values lie in other files, which are not read.")
    if plist.get_external_count() > 0:
        raise UnsafeFileError(f"{where}: {what} is stored outside the file, where nothing is read.")
    kind, shape = dataset.dtype, dataset.shape
    if shape is None or kind.hasobject or not (kind.kind in "biuf" or is_bfloat16(dataset)):
        raise UnsafeFileError(f"{where}: {what} has type {kind}; only numbers are read.")
    if len(shape) > budget.limits.axes:
        raise UnsafeFileError(f"{where}: {what} has {len(shape)} axes.")
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    allowed = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
    if not set(filters) <= allowed:
        raise UnsafeFileError(f"{where}: {what} is packed by the filters {sorted(set(filters) - allowed)}.")
    size = math.prod(shape) * kind.itemsize
    budget.take(size, what)
    # Pieces may lie on top of each other.
    stored = min(dataset.id.get_storage_size(), budget.stored)
    if size > (budget.limits.unpacked(stored) if filters else stored):
        raise UnsafeFileError(
            f"{where}: {what} of shape {shape} declares {size:,} bytes, and the file holds {stored:,} for it."
        )
    if layout == h5py.h5d.CHUNKED:
        _check_pieces(dataset, filters, budget, where, what, stored)


def is_bfloat16(dataset: Any) -> bool:
    """Whether an array is of 16 bits that h5py has no name for, as Keras 3 writes bfloat16."""
    kind = dataset.dtype
    if kind.kind != "V" or kind.itemsize != 2 or kind.names is not None or kind.subdtype is not None:
        return False
    if "dtype" not in dataset.attrs or dataset.attrs.get_id("dtype").shape != ():
        return False
    return bool(dataset.attrs["dtype"] in ("bfloat16", b"bfloat16"))


def _check_pieces(dataset: Any, filters: list[int], budget: Budget, where: str, what: str, stored: int) -> None:
    """The same for the pieces (HDF5's chunks) that an array is cut into."""
    h5py = _h5py()
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if size > budget.limits.unpacked(stored):
        raise UnsafeFileError(
            f"{where}: {what} is cut into pieces of {size:,} bytes, and the file holds {stored:,} for it."
        )
    pieces = math.prod(-(-n // piece) for n, piece in zip(dataset.shape, dataset.chunks, strict=True))
    if pieces > budget.limits.names:
        raise UnsafeFileError(f"{where}: {what} is cut into {pieces:,} pieces.")
    order = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]
    if filters != [each for each in order if each in filters]:
        raise UnsafeFileError(f"{where}: {what} is packed by the filters {filters} in this order, which is not read.")
    found: list[Any] = []
    # Calls from inside libhdf5 must not read.
    dataset.id.chunk_iter(found.append)
    for info in found:
        # The bits of the mask are filters that a piece was not packed by.
        used = {each for i, each in enumerate(filters) if not info.filter_mask >> i & 1}
        held = info.size - (4 if h5py.h5z.FILTER_FLETCHER32 in used else 0)
        if h5py.h5z.FILTER_DEFLATE in used:
            held = _unpacked(dataset.id.read_direct_chunk(info.chunk_offset)[1][: max(0, held)], size, where, what)
        if held != size:
            raise UnsafeFileError(f"{where}: a piece of {what} unfolds to {held:,} bytes, and not to {size:,}.")


def _unpacked(raw: bytes, limit: int, where: str, what: str) -> int:
    """How many bytes come out of a deflated piece, at most one above a limit."""
    unpacking = zlib.decompressobj()
    try:
        found = len(unpacking.decompress(raw, limit + 1))
    except zlib.error as error:
        raise CorruptFileError(f"{where}: {what} cannot be unpacked: {error}.") from error
    if found <= limit and not unpacking.eof:
        raise CorruptFileError(f"{where}: {what} cannot be unpacked: it is cut off.")
    return found

"""Files that ask for more than they hold: memory, time, other files. Each is refused by name, at little cost."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras.layers import Dense
from multikeras.models import Sequential, load_model
from multikeras.saving import CorruptFileError, UnsafeFileError, export_savedmodel, load_savedmodel
from multikeras.saving.reading import text_lengths


def model_of() -> Sequential:
    model = Sequential([Dense(2, input_shape=(3,), name="dense")])
    model.compile("sgd", "mse")
    return model


# -- HDF5 ---------------------------------------------------------------------------------------


def _kernel(file: Any, **kwargs: Any) -> Any:
    """Puts another data set in the place of the kernel."""
    group = file["model_weights/dense/dense"]
    del group["kernel:0"]
    return group.create_dataset("kernel:0", **kwargs)


def wide_piece(file: Any) -> None:
    # A small array whose one piece is 40 MB, of which 40 KB are stored.
    made = _kernel(file, shape=(3, 2), maxshape=(None, 2), dtype="f4", chunks=(5_000_000, 2), compression="gzip")
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    packed = b"".join([packer.compress(zeros) for _ in range(40)]) + packer.flush()
    made.id.write_direct_chunk((0, 0), packed)


def unfolding_piece(file: Any) -> None:
    # libhdf5 unpacks whatever is in a piece: 40 MB here, where six numbers are declared.
    made = _kernel(file, shape=(3, 2), dtype="f4", chunks=(3, 2), compression="gzip")
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    made.id.write_direct_chunk((0, 0), b"".join([packer.compress(zeros) for _ in range(40)]) + packer.flush())


def unfolding_piece_behind_a_sum(file: Any) -> None:
    made = _kernel(file, shape=(3, 2), dtype="f4", chunks=(3, 2), compression="gzip", shuffle=True, fletcher32=True)
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 20)) + b"\0\0\0\0")


def short_piece(file: Any) -> None:
    # libhdf5 reads past the end of what is unpacked: other memory of the process, or a crash.
    made = _kernel(file, shape=(3, 2), dtype="f4", chunks=(3, 2), compression="gzip")
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(10)))


def short_piece_not_packed(file: Any) -> None:
    made = _kernel(file, shape=(3, 2), dtype="f4", chunks=(3, 2), compression="gzip", shuffle=True)
    made.id.write_direct_chunk((0, 0), b"x", 3)


def short_piece_of_no_filter(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype="f4", chunks=(3, 2), shuffle=True).id.write_direct_chunk((0, 0), b"xyz")


def short_piece_of_a_sum(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype="f4", chunks=(3, 2), fletcher32=True).id.write_direct_chunk((0, 0), b"x")


def piece_cut_off(file: Any) -> None:
    made = _kernel(file, shape=(300, 2), dtype="f4", chunks=(300, 2), compression="gzip")
    raw = zlib.compress(np.random.RandomState(0).bytes(2400))
    made.id.write_direct_chunk((0, 0), raw[: len(raw) // 2])


def lzf(file: Any) -> None:
    # Unfolds to whatever it says, as the others do, and nothing here can unpack it first.
    _kernel(file, data=np.zeros((3, 2), "f4"), chunks=(3, 2), compression="lzf")


def no_zlib(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype="f4", chunks=(3, 2), compression="gzip").id.write_direct_chunk((0, 0), b"x" * 20)


def twice_packed(file: Any) -> None:
    group = file["model_weights/dense/dense"]
    del group["kernel:0"]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((3, 2))
    plist.set_deflate(9)
    plist.set_deflate(9)
    made = h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 2)), plist)
    made.write_direct_chunk((0, 0), zlib.compress(zlib.compress(bytes(24))))


def scale_and_offset(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype="i4", chunks=(3, 2), scaleoffset=1)[()] = 1


def sub_arrays(file: Any) -> None:
    _kernel(file, shape=(3,), dtype=np.dtype(("f4", (2,))))


def opaque(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype="V1000")


def complex_numbers(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype="c8")


def enumeration_of_texts(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype=h5py.string_dtype())


def nothing(file: Any) -> None:
    _kernel(file, data=h5py.Empty("f4"))


def region_references(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype=h5py.regionref_dtype)


def numbers_of_variable_count(file: Any) -> None:
    _kernel(file, shape=(3, 2), dtype=h5py.vlen_dtype(np.dtype("f4")))


def layer_listed_many_times(file: Any) -> None:
    del file["model_weights"].attrs["layer_names"]
    for i in range(4):
        file["model_weights"].attrs[f"layer_names{i}"] = np.array([b"dense"] * 8000)


def weight_listed_many_times(file: Any) -> None:
    file["model_weights/dense"].attrs["weight_names"] = np.array([b"dense/kernel:0"] * 3000)


def one_layer_under_two_names(file: Any) -> None:
    file["model_weights/other"] = file["model_weights/dense"]
    file["model_weights"].attrs["layer_names"] = np.array([b"dense", b"other"])


def one_array_under_two_names(file: Any) -> None:
    group = file["model_weights/dense"]
    group["again"] = group["dense/kernel:0"]
    group.attrs["weight_names"] = np.array([b"dense/kernel:0", b"again"])


def group_in_itself(file: Any) -> None:
    group = file["model_weights"]
    group["inside"] = group
    group.attrs["layer_names"] = np.array([b"inside"])


def root_in_itself(file: Any) -> None:
    file["model_weights/inside"] = file["/"]
    file["model_weights"].attrs["layer_names"] = np.array([b"inside"])


HDF5: dict[str, tuple[Callable[[Any], None], type[Exception], str]] = {
    f.__name__: (f, kind, words)
    for f, kind, words in (
        (wide_piece, UnsafeFileError, "cut into pieces of 40,000,000 bytes"),
        (unfolding_piece, UnsafeFileError, "unfolds to 25 bytes, and not to 24"),
        (unfolding_piece_behind_a_sum, UnsafeFileError, "unfolds to 25 bytes, and not to 24"),
        (short_piece, UnsafeFileError, "unfolds to 10 bytes, and not to 24"),
        (short_piece_not_packed, UnsafeFileError, "unfolds to 1 bytes, and not to 24"),
        (short_piece_of_no_filter, UnsafeFileError, "unfolds to 3 bytes, and not to 24"),
        (short_piece_of_a_sum, UnsafeFileError, "unfolds to -3 bytes, and not to 24"),
        (piece_cut_off, CorruptFileError, "cut off"),
        (lzf, UnsafeFileError, "packed by the filters"),
        (no_zlib, CorruptFileError, "cannot be unpacked"),
        (twice_packed, UnsafeFileError, "in this order"),
        (scale_and_offset, UnsafeFileError, "packed by the filters"),
        (sub_arrays, UnsafeFileError, "only numbers are read"),
        (opaque, UnsafeFileError, "only numbers are read"),
        (complex_numbers, UnsafeFileError, "only numbers are read"),
        (enumeration_of_texts, UnsafeFileError, "only numbers are read"),
        (nothing, UnsafeFileError, "only numbers are read"),
        (region_references, UnsafeFileError, "only numbers are read"),
        (numbers_of_variable_count, UnsafeFileError, "only numbers are read"),
        (layer_listed_many_times, CorruptFileError, "lists 'dense' twice"),
        (weight_listed_many_times, CorruptFileError, "lists 'dense/kernel:0' twice"),
        (one_layer_under_two_names, UnsafeFileError, "are the same"),
        (one_array_under_two_names, UnsafeFileError, "are the same"),
        (group_in_itself, UnsafeFileError, "are the same"),
        (root_in_itself, UnsafeFileError, "are the same"),
    )
}

WAYS: dict[str, Callable[[Path], Any]] = {
    "load_model": load_model,
    "load_weights": lambda path: model_of().load_weights(path),
    "by_name": lambda path: model_of().load_weights(path, by_name=True, skip_mismatch=True),
    "stream": lambda path: load_model(io.BytesIO(path.read_bytes())),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HDF5)
def test_arrays_and_names_take_no_more_than_the_file_holds(tmp_path: Path, name: str, way: str) -> None:
    path = tmp_path / "model.h5"
    model_of().save(path)
    change, kind, words = HDF5[name]
    with h5py.File(path, "a") as file:
        change(file)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(kind, match=words):
        WAYS[way](path)


@pytest.mark.parametrize("way", [*WAYS, "group", "memory"])
def test_a_text_that_lies_about_its_length(tmp_path: Path, way: str) -> None:
    """libhdf5 would take 4 GB for it before it finds that the file does not hold so much."""
    path = tmp_path / "model.h5"
    model_of().save(path)
    with h5py.File(path, "a") as file:
        for group in (file, file["model_weights"]):
            for name in ("keras_version", "backend"):
                group.attrs[name] = "v" * 1711
    content = path.read_bytes()
    # An entry: length, address of a heap, number in it. The heap has the length too, as eight bytes.
    changed, count = re.subn(struct.pack("<I", 1711) + b"(?!\0{4})", struct.pack("<I", 0xFFFFFFF0), content)
    assert count == 4
    path.write_bytes(changed)
    with pytest.raises(UnsafeFileError, match="declares a text of 4,294,967,280 bytes"):
        if way == "group":
            with h5py.File(path, "r") as file:
                load_model(file)
        elif way == "memory":
            with h5py.File(io.BytesIO(path.read_bytes()), "r") as file:
                load_model(file)
        else:
            WAYS[way](path)


def test_attributes_of_one_name(tmp_path: Path) -> None:
    """One that tells the truth does not stand for one that lies."""
    path = tmp_path / "model.h5"
    model_of().save(path)
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["backene"] = "x"
    content = path.read_bytes()
    assert content.count(b"backene\0") == 1
    path.write_bytes(content.replace(b"backene\0", b"backend\0"))
    with pytest.raises(CorruptFileError, match="holds an attribute twice"):
        load_model(path)


def test_texts_that_cannot_be_measured_beforehand(tmp_path: Path) -> None:
    """Newer forms of HDF5 keep many attributes in a heap of their own."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", libver="latest") as file:
        model_of().save(file)
        for i in range(20):
            file.attrs[f"note_{i}"] = "x"
    with pytest.raises(UnsafeFileError, match="libver='earliest'"):
        load_model(path)


@pytest.mark.parametrize("damage", ["cycle", "cut"])
def test_damaged_headers_of_objects(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        for i in range(40):
            file.attrs[f"a{i}"] = "x"
    content = path.read_bytes()
    with h5py.File(path, "r") as file:
        start = h5py.h5o.get_info(file.id).addr

        def read(offset: int, count: int) -> bytes:
            found = content[offset : offset + count]
            if damage == "cut":
                return found[: max(0, 200 - offset)]
            # Every piece goes on in itself.
            here = struct.pack("<HHBxxxQQ", 0x10, 16, 0, offset, count)
            return here + found[len(here) :] if offset > start + 64 else found

        whole = text_lengths.attributes_of(file, lambda offset, count: content[offset : offset + count])
        assert set(whole) == set(file.attrs) and text_lengths.declared(whole["a0"], 1) == [1]
        if damage == "cut":
            assert len(text_lengths.attributes_of(file, read)) < 5
        else:
            with pytest.raises(CorruptFileError, match="pieces without end"):
                text_lengths.attributes_of(file, read)


def test_texts_that_lie_in_one_place(tmp_path: Path) -> None:
    """A list of 4,000 names, each of which is the same megabyte."""
    path = tmp_path / "model.h5"
    model_of().save(path)
    count = 4000
    with h5py.File(path, "a") as file:
        names = [b"x" * 900_000] + [b"y"] * (count - 1)
        del file["model_weights"].attrs["layer_names"]
        file["model_weights"].attrs.create("layer_names", names, dtype=h5py.string_dtype("ascii"))
    content = bytearray(path.read_bytes())
    # An entry: length, address of a heap, number in it.
    begin = content.index(struct.pack("<I", 900_000))
    first = bytes(content[begin : begin + 16])
    assert content[begin + 16 : begin + 20] == struct.pack("<I", 1)
    content[begin : begin + 16 * count] = first * count
    path.write_bytes(content)
    with pytest.raises(UnsafeFileError, match="'layer_names' declares .* bytes"):
        load_model(path)


def test_names_of_variable_length_in_a_large_file(tmp_path: Path) -> None:
    """Other programs write names so; the arrays of the file are not taken for them."""
    path = tmp_path / "model.h5"
    model = Sequential([Dense(2000, input_shape=(2000,), name="one"), Dense(3, name="two")])
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        for group in (file, file["one"], file["two"]):
            for name in ("layer_names", "weight_names"):
                if name in group.attrs:
                    listed = [entry.decode() for entry in group.attrs[name]] * 1
                    group.attrs.create(name, listed, dtype=h5py.string_dtype())
        # More than may be read if each were as long as the file.
        file["one"].attrs.create("others", ["x"] * 100, dtype=h5py.string_dtype())
    made = Sequential([Dense(2000, input_shape=(2000,)), Dense(3)])
    made.load_weights(path)
    for one, other in zip(made.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    from multikeras.saving.reading import reader

    with reader.opened(path) as root:
        assert root.group("one").texts("weight_names") == ["one/kernel:0", "one/bias:0"]
        with pytest.raises(CorruptFileError, match="twice"):
            root.group("one").texts("others")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model_of().save_weights(path)
    with h5py.File(path, "a") as file:
        h5py.h5g.create(file["layers/dense/vars"].id, b"\xff")
    model = model_of()
    before = model.get_weights()
    with pytest.raises(CorruptFileError, match=r"model\.weights\.h5, /layers/dense/vars .* name is no text"):
        model.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_tree_of_links_without_end(tmp_path: Path) -> None:
    """Fifty groups, each twice inside the one before: 2 ** 50 paths."""
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        here = file.create_group("layers")
        for _ in range(50):
            inner = here.create_group("a")
            here["b"] = inner
            here = inner
    with pytest.raises(UnsafeFileError, match="are the same"):
        model_of().load_weights(path)


PACKED: dict[str, dict[str, Any]] = {
    "gzip": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "sums": {"fletcher32": True},
    "shuffled": {"shuffle": True},
    "pieces": {},
}


@pytest.mark.parametrize("options", PACKED.values(), ids=PACKED)
def test_packed_files_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "model.h5"
    model = Sequential([Dense(70, input_shape=(50,), name="dense")])
    model.save(path)
    with h5py.File(path, "a") as file:
        group = file["model_weights/dense/dense"]
        value = group["kernel:0"][()]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=value, chunks=(20, 30), **options)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], model.get_weights()[0])


def test_bfloat16_as_keras_3_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    model = model_of()
    kernel = np.array([[1.0, -2.5], [0.0, np.inf], [3.140625, 1e-30]], "float32")
    model.save(path)
    with h5py.File(path, "a") as file:
        upper = (kernel.view("uint32") >> 16).astype("uint16")
        made = _kernel(file, data=upper.view("V2"))
        made.attrs["dtype"] = "bfloat16"
    np.testing.assert_array_equal(
        load_model(path).get_weights()[0], (upper.astype("uint32") << 16).view("float32").reshape(3, 2)
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    os.mkfifo(tmp_path / "other")
    for way in (load_model, model_of().load_weights):
        for place in (tmp_path / "pipe.h5", tmp_path, Path("/dev/zero")):
            with pytest.raises(CorruptFileError, match="is no file|is a directory"):
                way(place)
    # A link to another file is seen before anything asks whether the file is there.
    path = tmp_path / "model.h5"
    model_of().save(path)
    with h5py.File(path, "a") as file:
        for name in ("model_weights", "optimizer_weights"):
            if name in file:
                del file[name]
            file[name] = h5py.ExternalLink(str(tmp_path / "other"), "/x")
    with pytest.raises(UnsafeFileError, match="link to another file"):
        load_model(path)
    export_savedmodel(model_of(), tmp_path / "out")
    (tmp_path / "out" / "weights.h5").unlink()
    os.mkfifo(tmp_path / "out" / "weights.h5")
    with pytest.raises(CorruptFileError, match="is no file|which are not there"):
        load_savedmodel(tmp_path / "out")


@pytest.mark.parametrize("given", [5, None, [1], b"bytes"])
def test_what_is_no_source(given: Any) -> None:
    for way in (load_model, model_of().load_weights):
        with pytest.raises((TypeError, FileNotFoundError), match="is read from|There is no file"):
            way(given)

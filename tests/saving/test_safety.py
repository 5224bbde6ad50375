"""One malicious file for every known attack, for every way in: each is refused by name, and nothing runs.

The list begins with the advisories on Keras: CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906,
CVE-2025-12060 (tests/utils/test_downloads.py), CVE-2026-0897, CVE-2026-1462, CVE-2026-1669.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras.layers import Dense
from multikeras.models import (
    Sequential,
    load_model,
    unserialize_model,
)
from multikeras.saving import CorruptFileError, UnsafeFileError, export_savedmodel, load_savedmodel
from multikeras.utils.io_utils import H5Dict

pytestmark = pytest.mark.usefixtures("nothing_ran")


def model_of() -> Sequential:
    model = Sequential([Dense(2, input_shape=(3,), name="dense")])
    model.compile("sgd", "mse")
    return model


# -- ways in ------------------------------------------------------------------------------------


def whole(path: Path) -> Any:
    return load_model(path)


def weights(path: Path) -> Any:
    return model_of().load_weights(path)


def weights_by_name(path: Path) -> Any:
    return model_of().load_weights(path, by_name=True)


def stream(path: Path) -> Any:
    return load_model(io.BytesIO(path.read_bytes()))


def opened(path: Path) -> Any:
    with h5py.File(path) as file:
        return load_model(file)


def by_name_skipping(path: Path) -> Any:
    return model_of().load_weights(path, by_name=True, skip_mismatch=True, reshape=True)


def group(path: Path) -> Any:
    with h5py.File("around.h5", "w") as file, h5py.File(path) as source:
        source.copy(source["/"], file, "inside", expand_soft=False, expand_external=False, expand_refs=False)
        return load_model(file["inside"])


def dictionary(path: Path) -> Any:
    with H5Dict(path, "r") as content:
        return load_model(content)


def text(path: Path) -> Any:
    return load_model(str(path))


def serialized(path: Path) -> Any:
    return unserialize_model(path.read_bytes())


WAYS = {
    f.__name__: f
    for f in (whole, text, weights, weights_by_name, by_name_skipping, stream, opened, group, dictionary, serialized)
}


# -- HDF5: where values come from ---------------------------------------------------------------

SECRET = b"the content of a file that the model must not see"


#: Where the kernel stands: in files of models, in those of Keras 3, in exported directories.
_KERNELS = ("model_weights/dense/dense/kernel:0", "layers/dense/vars/0", "0")


def _replace(file: Any, change: Callable[[Any, str, Any], Any]) -> None:
    path = next(each for each in _KERNELS if each in file)
    value = file[path][()]
    del file[path]
    outer, _, name = path.rpartition("/")
    change(file[outer or "/"], name, value)


def external_link(file: Any) -> None:
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2))
    _replace(file, lambda group, name, value: group.__setitem__(name, h5py.ExternalLink("other.h5", "/kernel")))


def soft_link(file: Any) -> None:
    _replace(file, lambda group, name, value: group.__setitem__(name, h5py.SoftLink("/")))


def external_storage(file: Any) -> None:
    Path("secret").write_bytes(SECRET)
    _replace(
        file,
        lambda group, name, value: group.create_dataset(name, (3, 2), "f4", external=[("secret", 0, 24)]),
    )


def virtual(file: Any) -> None:
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2), "f4")

    def change(group: Any, name: str, value: Any) -> None:
        layout = h5py.VirtualLayout((3, 2), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "kernel", (3, 2))
        group.create_virtual_dataset(name, layout)

    _replace(file, change)


def references(file: Any) -> None:
    def change(group: Any, name: str, value: Any) -> None:
        made = group.create_dataset(name, (3, 2), h5py.ref_dtype)
        made[0, 0] = file.ref

    _replace(file, change)


def strings(file: Any) -> None:
    _replace(file, lambda group, name, value: group.create_dataset(name, data=[["a", "b"]] * 3))


def compound(file: Any) -> None:
    kind = np.dtype([("a", "f4"), ("b", "i4")])
    _replace(file, lambda group, name, value: group.create_dataset(name, (3, 2), kind))


def huge(file: Any) -> None:
    # CVE-2026-0897: petabytes declared, nothing stored.
    _replace(file, lambda group, name, value: group.create_dataset(name, (1 << 30, 1 << 20), "f4", chunks=(64, 64)))


def large(file: Any) -> None:
    _replace(file, lambda group, name, value: group.create_dataset(name, (30_000, 20_000), "f4", chunks=(64, 64)))


def bomb(file: Any) -> None:
    def change(group: Any, name: str, value: Any) -> None:
        zeros = np.zeros((4000, 4000), "f4")
        group.create_dataset(name, data=zeros, compression="gzip", compression_opts=9, chunks=(4000, 4000))

    _replace(file, change)


def link_of_a_layer(file: Any) -> None:
    with h5py.File("other.h5", "w") as other:
        other.create_group("dense").attrs["weight_names"] = np.array([], dtype="S1")
    del file["model_weights/dense"]
    file["model_weights/dense"] = h5py.ExternalLink("other.h5", "/dense")


def upwards(file: Any) -> None:
    file["model_weights/dense"].attrs["weight_names"] = [b"../../model_weights/dense/dense/kernel:0", b"dense/bias:0"]


def absolute(file: Any) -> None:
    file["model_weights"].attrs["layer_names"] = [b"/model_weights/dense"]


def attribute_of_references(file: Any) -> None:
    file["model_weights"].attrs.create(
        "layer_names", np.array([file.ref, file.ref], dtype=object), dtype=h5py.ref_dtype
    )


LINKS: dict[str, tuple[Callable[[Any], None], str]] = {
    "external link": (external_link, "link to another file"),
    "soft link": (soft_link, "soft link"),
    "external storage": (external_storage, "stored outside the file"),
    "virtual": (virtual, "is virtual"),
    "references": (references, "only numbers are read"),
    "strings": (strings, "only numbers are read"),
    "compound": (compound, "only numbers are read"),
    "huge": (huge, "declares .* bytes"),
    "large": (large, "declares 2,400,000,000 bytes"),
    "link of a layer": (link_of_a_layer, "link to another file"),
    "upwards": (upwards, "is no name of a member"),
    "absolute": (absolute, "is no name of a member"),
    "attribute of references": (attribute_of_references, "holds references"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LINKS)
def test_hdf5_reads_numbers_from_the_file_itself_alone(tmp_path: Path, name: str, way: str) -> None:
    path = tmp_path / "model.h5"
    model_of().save(path)
    change, words = LINKS[name]
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UnsafeFileError, match=words):
        WAYS[way](path)


def _weights_of_keras3(change: Callable[[Any], None]) -> None:
    model_of().save_weights("m.weights.h5")
    with h5py.File("m.weights.h5", "a") as file:
        change(file)
    model_of().load_weights("m.weights.h5")


def _archive(change: Callable[[Any], None]) -> None:
    def inside(members: dict[str, bytes]) -> None:
        inner = Path("inner.h5")
        inner.write_bytes(members["model.weights.h5"])
        with h5py.File(inner, "a") as file:
            change(file)
        members["model.weights.h5"] = inner.read_bytes()

    load_model(rewritten(inside))


def _weights_of_archive(change: Callable[[Any], None]) -> None:
    try:
        _archive(change)
    finally:
        model_of().load_weights("evil.keras")


def _exported(change: Callable[[Any], None]) -> None:
    export_savedmodel(model_of(), "out")
    with h5py.File("out/weights.h5", "a") as file:
        change(file)
    load_savedmodel("out")


def _exported_by_load_model(change: Callable[[Any], None]) -> None:
    try:
        _exported(change)
    finally:
        load_model("out")


LAYOUTS = {
    f.__name__: f for f in (_weights_of_keras3, _archive, _weights_of_archive, _exported, _exported_by_load_model)
}

#: Attacks on an array, which every layout has; the others are on names, which only files of Keras 2 list.
ON_ARRAYS = [
    name for name in LINKS if name not in ("link of a layer", "upwards", "absolute", "attribute of references")
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ON_ARRAYS)
def test_other_layouts_read_numbers_from_the_file_itself_alone(name: str, layout: str) -> None:
    change, words = LINKS[name]
    with pytest.raises(UnsafeFileError, match=words):
        LAYOUTS[layout](change)


def test_a_compressed_array_may_not_expand_without_measure(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    model_of().save(path)
    with h5py.File(path, "a") as file:
        bomb(file)
    # 64 MB out of some 60 KB.
    with pytest.raises(UnsafeFileError, match="declares 64,000,000 bytes"):
        load_model(path)


# -- archives -----------------------------------------------------------------------------------


def rewritten(change: Callable[[dict[str, bytes]], None]) -> Path:
    path = Path("evil.keras")
    model_of().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return path


def test_members_of_archives_are_checked() -> None:
    path = rewritten(lambda members: members.__setitem__("config.json", b" " * (1 << 26)))
    with pytest.raises(UnsafeFileError, match=r"'config\.json' declares 67,108,864 bytes"):
        load_model(path)
    path = rewritten(lambda members: members.__delitem__("model.weights.h5"))
    with pytest.raises(CorruptFileError, match=r"0 members called 'model\.weights\.h5'"):
        load_model(path)
    path = rewritten(lambda members: members.__setitem__("model.weights.h5", pickle.dumps("not hdf5")))
    with pytest.raises(CorruptFileError, match="cannot be read as an HDF5 file"):
        load_model(path)
    path = rewritten(lambda members: members.__setitem__("../outside", b"x"))
    load_model(path)
    assert not Path("../outside").exists()
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(UnsafeFileError, match=r"2 members called 'config\.json'"):
        load_model(path)


def test_an_archive_cannot_lead_weights_out_of_itself() -> None:
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2), "f4")

    def change(members: dict[str, bytes]) -> None:
        memory = io.BytesIO(members["model.weights.h5"])
        with h5py.File(memory, "a") as file:
            del file["layers/dense/vars/0"]
            file["layers/dense/vars/0"] = h5py.ExternalLink("other.h5", "/kernel")
        members["model.weights.h5"] = memory.getvalue()

    with pytest.raises(UnsafeFileError, match="link to another file"):
        load_model(rewritten(change))


def test_an_exported_directory_cannot_lead_out_of_itself(tmp_path: Path) -> None:
    from multikeras.saving import export_savedmodel

    export_savedmodel(model_of(), tmp_path / "out")
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2), "f4")
    with h5py.File(tmp_path / "out" / "weights.h5", "a") as file:
        del file["0"]
        file["0"] = h5py.ExternalLink("other.h5", "/kernel")
    with pytest.raises(UnsafeFileError, match="link to another file"):
        load_savedmodel(tmp_path / "out")

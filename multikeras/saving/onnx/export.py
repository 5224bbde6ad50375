"""`export`: the graph of a model, primitive by primitive, as an ONNX graph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph.build import ITEM, all_attributes, data_inputs
from multikeras.graph.tensor import Constant, Placeholder, RandomKey, Setting, Tensor, ValueTensor, Variable
from multikeras.saving.atomic import replacing
from multikeras.saving.libraries import onnx as _onnx

#: The version of ONNX's operators that files ask for.
OPSET = 18

#: The phase that an exported model runs in.
_SETTINGS = {"learning_phase": lambda: 0, "epsilon": lambda: K.epsilon()}


def export(model: Any, path: Any) -> None:
    """Writes a model as an ONNX file, for prediction by other programs.

    The batch size and other unknown lengths stay open. The learning phase is that of testing.

    Args:
        model: A built model.
        path: The file, which is replaced as a whole.

    Raises:
        ImportError: If the package onnx is not installed.
        NotImplementedError: If the model is stateful, or uses a primitive that ONNX has no operators for; the message
            names it.
        ValueError: If the model is not built yet.
    """
    onnx = _onnx()
    if not model.inputs:
        raise ValueError(f"Model {model.name!r} is not built yet: it is exported once it has met data.")
    if model.stateful:
        raise NotImplementedError(f"Model {model.name!r} has stateful layers, and an ONNX file keeps no state.")
    graph = Graph(f"Model {model.name!r}")
    names = [str(name) for name in model.input_names]
    inputs = [graph.input(tensor, name) for tensor, name in zip(model.inputs, names, strict=True)]
    taken = set(names)
    outputs = []
    for tensor, name in zip(model.outputs, model.output_names, strict=True):
        label = name if name not in taken else f"{name}_output"
        taken.add(label)
        graph.node("Identity", [graph.name_of(tensor)], [label])
        outputs.append(_described(tensor, label))
    made = onnx.helper.make_graph(graph.nodes, model.name, inputs, outputs, graph.initializers)
    content = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    content.producer_name = "multikeras"
    content.ir_version = 9
    onnx.checker.check_model(content)
    with replacing(Path(os.fspath(path))) as draft:
        onnx.save(content, str(draft))


def element_type(dtype: str) -> int:
    """ONNX's number of a data type."""
    onnx = _onnx()
    if dtype == "bfloat16":
        return int(onnx.TensorProto.BFLOAT16)
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _described(tensor: Tensor, name: str) -> Any:
    lengths = [f"{name}_{i}" if n is None and i else ("batch" if n is None else n) for i, n in enumerate(tensor.shape)]
    return _onnx().helper.make_tensor_value_info(name, element_type(tensor.dtype), lengths)


class Graph:
    """An ONNX graph under construction; bodies of loops and branches are graphs inside it.

    Attributes:
        nodes: The operators so far.
        initializers: The constants and weights.
    """

    def __init__(self, where: str, outer: Graph | None = None) -> None:
        self.where = where
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._names: dict[Tensor, Any] = {}
        self._outer = outer
        self._root: Graph = self if outer is None else outer._root
        self._count = 0

    # -- names ----------------------------------------------------------------------------------

    def fresh(self, hint: str) -> str:
        """A name that nothing has."""
        self._root._count += 1
        # No layer has such a name.
        return f"/{hint}/{self._root._count}"

    def bind(self, tensor: Tensor, name: Any) -> None:
        """Says which value a tensor is."""
        self._names[tensor] = name

    def known(self, tensor: Tensor) -> Any:
        """The name of a tensor here or around, None if it has none yet."""
        graph: Graph | None = self
        while graph is not None:
            if tensor in graph._names:
                return graph._names[tensor]
            graph = graph._outer
        return None

    def input(self, tensor: Tensor, name: str) -> Any:
        """Declares an input of the model."""
        self.bind(tensor, name)
        return _described(tensor, name)

    # -- building -------------------------------------------------------------------------------

    def node(self, kind: str, inputs: Sequence[str], outputs: Sequence[str] | None = None, **attributes: Any) -> str:
        """Adds an operator; the name of its first output."""
        names = list(outputs) if outputs is not None else [self.fresh(kind.lower())]
        self.nodes.append(_onnx().helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def constant(self, value: Any, dtype: Any = "int64", hint: str = "constant") -> str:
        """A constant; the name of it."""
        array = np.array(value, dtype=dtype, order="C")
        name = self.fresh(hint)
        self._root.initializers.append(_onnx().numpy_helper.from_array(array, name))
        return name

    def name_of(self, tensor: Tensor) -> str:
        """The name of a tensor, whose operators are added if they are not there yet."""
        found = self.known(tensor)
        if found is None:
            for each in self._missing(tensor):
                if self.known(each) is None:
                    self.bind(each, self._made(each))
            found = self.known(tensor)
        return str(found)

    def _missing(self, tensor: Tensor) -> Iterable[Tensor]:
        """What a tensor is made of and has no name yet, in creation order."""
        seen = {tensor}
        found = []
        stack = [tensor]
        while stack:
            here = stack.pop()
            found.append(here)
            for x in self._needed(here):
                if x not in seen and self.known(x) is None:
                    seen.add(x)
                    stack.append(x)
        return sorted(found, key=lambda t: t.serial)

    def _needed(self, tensor: Tensor) -> Sequence[Tensor]:
        if tensor.primitive is not None and tensor.primitive.name == "host_select":
            return [self._selected(tensor)]
        return tensor.inputs

    def _selected(self, tensor: Tensor) -> Tensor:
        """The branch that the phase of testing takes."""
        predicate, x, y = tensor.inputs
        return x if folded(predicate) else y

    def _made(self, tensor: Tensor) -> Any:
        from multikeras.saving.onnx import control, windows  # noqa: F401
        from multikeras.saving.onnx.operators import OPERATORS

        primitive = tensor.primitive
        if primitive is None:
            return self._leaf(tensor)
        if primitive is ITEM:
            names = self.known(tensor.inputs[0])
            return names[tensor.attributes["index"]]
        if primitive.name == "host_select":
            return self.name_of(self._selected(tensor))
        make = OPERATORS.get(primitive.name)
        inputs, attributes = data_inputs(tensor), all_attributes(tensor)
        if make is not None:
            return make(self, tensor, *inputs, **attributes)
        if primitive.composition is None or primitive.effect or primitive.name in _KEPT_AWAY:
            raise NotImplementedError(
                f"{self.where} uses {primitive.name!r} ({tensor.where}), for which ONNX has no operators here."
            )
        composed = primitive.composition(*inputs, **attributes)
        if isinstance(composed, (list, tuple)):
            return [self.name_of(each) for each in composed]
        return self.name_of(composed)

    def _leaf(self, tensor: Tensor) -> str:
        if isinstance(tensor, Variable):
            return self.constant(K.get_value(tensor), tensor.dtype, "weight")
        if isinstance(tensor, (Constant, ValueTensor)):
            return self.constant(tensor.value if isinstance(tensor, Constant) else np.asarray(tensor), tensor.dtype)
        if isinstance(tensor, Setting):
            return self.constant(_SETTINGS[tensor.key](), tensor.dtype)
        if isinstance(tensor, RandomKey):
            raise NotImplementedError(f"{self.where} draws random numbers when it predicts, and ONNX has none of ours.")
        kind = "the placeholder" if isinstance(tensor, Placeholder) else "a tensor"
        raise NotImplementedError(f"{self.where} needs {kind} {tensor!r}, which is none of its inputs.")


#: Primitives whose compositions are of no use without a machine of integers.
_KEPT_AWAY = frozenset({"random_bits", "random_uniform", "dropout_mask", "fold_in", "ctc.search"})


def folded(tensor: Tensor) -> Any:
    """The value of a tensor made of settings and constants, in the phase of testing."""
    with_phase: list[Any] = K.function([K.learning_phase()], [tensor])([0])
    return with_phase[0]

"""`check_layer`: everything that a layer has to do, in one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multikeras.layers import Layer
from multikeras.testing import layers_numbers, layers_rules
from multikeras.testing.layers_subject import Broken, LeftOut, Subject, settings_kept

#: What the code of a layer may raise where it is at fault.
_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)

#: The rules by their names, in the order in which they are gone through.
RULES: dict[str, Callable[[Subject], None]] = {
    rule.__name__: rule
    for rule in (
        layers_rules.configuration,
        layers_rules.weights,
        layers_rules.shapes,
        layers_rules.lengths,
        layers_rules.dtypes,
        layers_rules.arrays,
        layers_rules.state,
        layers_rules.phases,
        layers_numbers.masks,
        layers_numbers.formats,
        layers_numbers.samples,
        layers_numbers.gradients,
        layers_rules.training,
        layers_numbers.backends,
    )
}


class LayerFault(AssertionError):
    """A layer breaks rules of `check_layer`.

    Attributes:
        faults: What is wrong, by the name of the rule.
    """

    def __init__(self, name: str, faults: Mapping[str, str]) -> None:
        lines = [f"{name} breaks {len(faults)} rule{'s' if len(faults) > 1 else ''} of layers:"]
        super().__init__("\n".join([*lines, *[f"  {rule}: {text}" for rule, text in faults.items()]]))
        self.faults = dict(faults)


@dataclass(frozen=True)
class LayerReport:
    """What `check_layer` went through.

    Attributes:
        kept: Names of the rules that the layer keeps.
        left_out: Why the others do not apply, by name.
    """

    kept: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def check_layer(
    cls: Callable[..., Any],
    arguments: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    input_shape: Any = None,
    *,
    inputs: Any = None,
    call_arguments: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    fixed_batch: bool = False,
    backends: Sequence[str] | None = None,
    dtypes: Sequence[str] = ("float16", "float32", "float64"),
    formats: str = "equal",
    leave_out: Sequence[str] = (),
) -> LayerReport:
    """Goes through the rules that every layer keeps, and raises with all that are broken.

    The rules: `configuration` (a round trip), `weights`, `shapes`, `lengths` (unknown ones), `dtypes`,
    `arrays` (called on them), `state` (what a run stores), `phases`, `masks`, `formats` (channels first
    and last), `samples` (each by itself), `gradients` (against difference quotients), `training`, and
    `backends` (all installed ones agree). Nothing is written to files; settings and NumPy's generator
    are put back.

    Args:
        cls: The class, or a function that makes a layer.
        arguments: Arguments of the constructor; a function that returns them where they cannot be used
            twice, such as layers.
        input_shape: Shape of the input with its batch axis, or a list of shapes; lengths are numbers.
        inputs: The input as an array, or a list of them, instead of its shape: for integers, or where
            random numbers will not do.
        call_arguments: Other arguments of the call.
        custom_objects: What configurations of the layer may name, besides itself.
        fixed_batch: Whether the layer needs a fixed length of the batch, as stateful ones do.
        backends: Names of the backends that are compared; all that are installed if None, none if empty.
        dtypes: The floating types in which it has to work.
        formats: `'equal'` if the same weights give the same numbers with channels first and last, and
            `'apart'` if only the shapes do.
        leave_out: Names of rules that are not gone through.

    Returns:
        Which rules the layer keeps, and which do not apply to it.

    Raises:
        LayerFault: If it breaks rules; the message says which and how, and the mend.
        ValueError: If there is neither a shape nor an input, or a rule is unknown.

    Example:
        check_layer(Scaled, {"factor": 2.0}, (3, 5))
    """
    unknown = [name for name in leave_out if name not in RULES]
    if unknown:
        raise ValueError(f"check_layer has no rule {unknown[0]!r}. It has: {', '.join(RULES)}.")
    if formats not in ("equal", "apart"):
        raise ValueError(f"check_layer: formats is 'equal' or 'apart', received {formats!r}.")
    arrays = _arrays(input_shape, inputs)
    subject = Subject(
        cls,
        arguments if arguments is not None else {},
        arrays,
        dict(call_arguments or {}),
        dict(custom_objects or {}),
        fixed_batch,
        backends,
        dtypes,
        formats,
    )
    kept: list[str] = []
    left_out: dict[str, str] = dict.fromkeys(leave_out, "as asked")
    faults: dict[str, str] = {}
    with settings_kept(), warnings.catch_warnings():
        # What is warned of here, the rules say more plainly.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        _check_made(subject)
        for name, rule in RULES.items():
            if name in left_out:
                continue
            try:
                rule(subject)
            except LeftOut as reason:
                left_out[name] = str(reason)
            except Broken as fault:
                faults[name] = str(fault)
            except _ERRORS as error:
                faults[name] = f"it fails with {type(error).__name__}: {error}"
            else:
                kept.append(name)
    if faults:
        raise LayerFault(subject.name, faults)
    return LayerReport(kept, left_out)


def _check_made(subject: Subject) -> None:
    """The layer can be made and called at all; otherwise nothing else can be said."""
    try:
        layer = subject.made()
        if isinstance(layer, Layer):
            subject.placed(layer)
    except _ERRORS as error:
        raise LayerFault(subject.name, {"made": f"it fails with {type(error).__name__}: {error}"}) from error
    if not isinstance(layer, Layer):
        raise LayerFault(subject.name, {"made": f"it makes {layer!r}, which is no layer: subclass Layer."})


def _arrays(input_shape: Any, inputs: Any) -> list[np.ndarray]:
    if inputs is not None:
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        return [np.array(x) for x in given]
    if input_shape is None:
        raise ValueError("check_layer needs input_shape=, with the batch axis, or inputs=.")
    single = not isinstance(input_shape[0], (list, tuple))
    listed = [input_shape] if single else list(input_shape)
    if any(not isinstance(n, (int, np.integer)) or n < 1 for shape in listed for n in shape):
        raise ValueError(f"check_layer: lengths of input_shape are whole numbers above 0, received {input_shape!r}.")
    if any(shape[0] < 2 for shape in listed):
        raise ValueError(f"check_layer needs two samples or more, received input_shape {input_shape!r}.")
    generator = np.random.default_rng(3)
    return [generator.normal(size=shape).astype("float32") for shape in listed]


__all__ = ["RULES", "LayerFault", "LayerReport", "check_layer"]

"""What compile was told, and the state of an optimizer, in the form of Keras 3 and back.

The rules of the optimizers are the same with these settings of ours, so that training goes on there and here alike:

- `RMSprop` and `Adagrad` with `epsilon_under_root`. Files for Keras 3 of those without have the square of `epsilon`,
  which differs where the root is as small as `epsilon`, and nowhere else.
- `Nadam` with `schedule_decay=1`; with another one there is no such rule in Keras 3.
- `clipnorm` here is `global_clipnorm` there; what is `clipnorm` there does not exist here.
- `decay` here is the schedule `InverseTimeDecay` there, and any `weight_decay` of Adam there is `AdamW` here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from multikeras.saving.keras3 import config as keras3_config

#: Names and values, in the order of the file or of the optimizer.
State = list[tuple[str, Any]]


class _UnknownError(ValueError):
    """Something exists on one side alone."""


# -- from Keras 3 -------------------------------------------------------------------------------

#: Arguments of optimizers that Keras 3 alone has, with the values under which they do nothing; none stands for any.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "clipnorm": (),
    "ema_momentum": (),
    "ema_overwrite_frequency": (),
    "gradient_accumulation_steps": (1,),
    "jit_compile": (),
    "loss_scale_factor": (1.0,),
    "name": (),
    "use_ema": (False,),
    "weight_decay": (0, False),
}


def training_config(compiled: Mapping[str, Any]) -> dict[str, Any] | None:
    """What Keras 3's compile was told, in the form of Keras 2.

    Returns:
        None if there is no optimizer, or, with a warning that names it, if something does not exist here.
    """
    optimizer = compiled.get("optimizer", compiled.get("optimizer_config"))
    if not isinstance(optimizer, (Mapping, str)):
        return None
    try:
        return {
            "optimizer_config": _optimizer(optimizer) if isinstance(optimizer, Mapping) else optimizer,
            "loss": _each(compiled.get("loss"), "losses"),
            "metrics": _each(compiled.get("metrics"), "metrics"),
            "weighted_metrics": _each(compiled.get("weighted_metrics"), "metrics"),
            "loss_weights": compiled.get("loss_weights"),
            "sample_weight_mode": None,
        }
    except _UnknownError as error:
        warnings.warn(
            f"The model is not compiled as it was in Keras 3: {error} Call compile to train it.", stacklevel=2
        )
        return None


def _optimizer(content: Mapping[str, Any]) -> dict[str, Any]:
    kind, config = content["class_name"], dict(content["config"])
    if not _is_builtin(content):
        # A class of one's own, which custom_objects has to name.
        return keras3_config.from_keras3(dict(content))
    from multikeras import optimizers

    if kind == "LossScaleOptimizer":
        _check(kind, config, {"inner_optimizer", "initial_scale", "dynamic_growth_steps", "learning_rate", "clipvalue"})
        made = {key: config[key] for key in ("initial_scale", "dynamic_growth_steps") if key in config}
        return {"class_name": kind, "config": {**made, "inner_optimizer": _optimizer(config["inner_optimizer"])}}
    cls = getattr(optimizers, kind, None)
    if not isinstance(cls, type):
        raise _UnknownError(f"there is no optimizer {kind} here.")
    if kind == "Adam" and config.get("weight_decay"):
        kind = "AdamW"
    if config.get("clipnorm"):
        raise _UnknownError(
            f"{kind} has clipnorm={config['clipnorm']!r}, which there limits each gradient by itself; here it limits "
            "all together, as global_clipnorm does."
        )
    known = keras3_config.accepted(cls) | {"learning_rate", "clipvalue", "global_clipnorm"}
    known |= {"weight_decay"} if kind == "AdamW" else set()
    _check(kind, config, known)
    made = {key: value for key, value in config.items() if value is not None and key in known}
    if "global_clipnorm" in made:
        made["clipnorm"] = made.pop("global_clipnorm")
    if kind in ("RMSprop", "Adagrad"):
        made["epsilon_under_root"] = True
    if kind == "Nadam":
        made["schedule_decay"] = 1.0
    return {"class_name": kind, "config": keras3_config.from_keras3(made)}


def _is_builtin(content: Mapping[str, Any]) -> bool:
    """Whether a configuration says a class of Keras itself; older files name no module."""
    module = content.get("module")
    registered = content.get("registered_name")
    return (module is None or str(module).startswith("keras")) and ">" not in str(registered or "")


def _check(kind: str, config: Mapping[str, Any], known: set[str]) -> None:
    for key, value in config.items():
        if key in known or value is None:
            continue
        if key not in _NEUTRAL or (_NEUTRAL[key] and value not in _NEUTRAL[key]):
            raise _UnknownError(f"{kind} has no argument {key}={value!r} here.")


def _each(value: Any, place: str) -> Any:
    """Losses or metrics in any nesting."""
    if isinstance(value, list):
        return [_each(entry, place) for entry in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value or "config" not in value:
        return {name: _each(entry, place) for name, entry in value.items()}
    content = keras3_config.from_keras3(value)
    if not isinstance(content, Mapping) or not _is_builtin(value) or value["class_name"] == "function":
        return content
    from multikeras import losses, metrics

    cls = getattr({"losses": losses, "metrics": metrics}[place], content["class_name"], None)
    if not isinstance(cls, type):
        raise _UnknownError(f"there is no {content['class_name']} among the {place} here.")
    known = keras3_config.accepted(cls)
    made = {}
    for key, given in content["config"].items():
        if key in known:
            made[key] = given
        elif given is not None and (key, given) not in _LOST:
            raise _UnknownError(f"{content['class_name']} has no argument {key}={given!r} here.")
    return {"class_name": content["class_name"], "config": made}


#: Arguments of losses and metrics that do nothing with these values.
_LOST = {("axis", -1), ("dtype", "float32"), ("from_logits", False), ("multi_label", False)}


# -- state --------------------------------------------------------------------------------------

#: What the names of slots end with there. No name is the end of another one that comes after it.
_SLOTS = (
    "accumulated_delta_var",
    "accumulated_grad",
    "average_gradient",
    "velocity_hat",
    "accumulator",
    "momentum",
    "velocity",
    "norm",
)


def _groups(kind: str, config: Mapping[str, Any]) -> list[tuple[str, ...]] | None:
    """The slots of an optimizer there, those together that lie beside each other for each parameter; None if unknown.

    One after the other they have the order of ours.
    """
    found: dict[str, list[tuple[str, ...]]] = {
        "sgd": [("momentum",)] if config.get("momentum") else [],
        "rmsprop": [
            ("velocity",),
            *([("momentum",)] if config.get("momentum") else []),
            *([("average_gradient",)] if config.get("centered") else []),
        ],
        "adagrad": [("accumulator",)],
        "adadelta": [("accumulated_grad", "accumulated_delta_var")],
        "adam": [("momentum", "velocity"), *([("velocity_hat",)] if config.get("amsgrad") else [])],
        "adamax": [("momentum", "norm")],
        "nadam": [("momentum", "velocity")],
    }
    return found.get({"adamw": "adam"}.get(kind.lower(), kind.lower()))


def _names(optimizer: Mapping[str, Any], parameters: Callable[[int], int]) -> list[str] | None:
    """Names of the state there, in its order; None if the optimizer is unknown.

    Args:
        optimizer: Its configuration there.
        parameters: Number of parameters, by the number of what is there once.
    """
    kind, config = optimizer["class_name"], optimizer["config"]
    if kind == "LossScaleOptimizer":
        head = ["iteration", "learning_rate", "step_counter", "dynamic_scale"]
        inner = _names(config["inner_optimizer"], lambda once: parameters(once + len(head)))
        return None if inner is None else [*head, *inner]
    groups = _groups(kind, config)
    if groups is None:
        return None
    head = ["iteration"] if isinstance(config.get("learning_rate"), Mapping) else ["iteration", "learning_rate"]
    tail = ["u_product"] if kind.lower() == "nadam" else []
    count = parameters(len(head) + len(tail))
    slots = [f"{i}_{name}" for group in groups for i in range(count) for name in group]
    return [*head, *slots, *tail]


def state_of_numbers(arrays: Sequence[np.ndarray], optimizer: Any) -> State | None:
    """A state whose arrays have numbers for names, as in an archive; see `state_of_names`.

    Args:
        arrays: The arrays.
        optimizer: Configuration of the optimizer there.
    """
    if not isinstance(optimizer, Mapping):
        return None
    own = optimizer["config"]["inner_optimizer"] if optimizer["class_name"] == "LossScaleOptimizer" else optimizer
    each = sum(len(group) for group in _groups(own["class_name"], own["config"]) or [])
    names = _names(optimizer, lambda once: max(0, len(arrays) - once) // each if each else 0)
    if names is None:
        return None
    if len(names) != len(arrays):
        if arrays and np.any(arrays[0]):
            warnings.warn(
                f"The state of the optimizer is left out, training starts without it: {optimizer['class_name']} has "
                f"{len(names)} arrays, and the file {len(arrays)}.",
                stacklevel=2,
            )
        return None
    return state_of_names(list(zip(names, arrays, strict=True)))


def state_of_names(state: State) -> State | None:
    """A state of Keras 3 in the order of ours.

    Args:
        state: Names and arrays.

    Returns:
        None if the optimizer has made no step there.
    """
    heads: dict[str, Any] = {}
    groups: dict[str, list[Any]] = {}
    for name, value in state:
        last = name.rpartition("/")[2]
        slot = next((slot for slot in _SLOTS if last.endswith(f"_{slot}")), None)
        if slot is not None:
            groups.setdefault(slot, []).append(value)
        elif last.startswith("variable"):
            heads["u_product"] = value
        else:
            # Of a loss scale's optimizer and the one inside it, the latter is the last.
            heads[last.removesuffix(":0")] = value
    if "iteration" not in heads or (not groups and not heads["iteration"].any()):
        return None
    made = [("iterations", heads["iteration"])]
    made += [("m_schedule", heads["u_product"])] if "u_product" in heads else []
    made += [(f"{slot}_{i}", value) for slot, values in groups.items() for i, value in enumerate(values)]
    made += [(name, heads[name]) for name in ("dynamic_scale", "step_counter") if name in heads]
    return made


def state_to_keras3(optimizer: Mapping[str, Any], state: State, parameters: int) -> tuple[dict[str, list[Any]], bool]:
    """A state of ours in the order of Keras 3.

    Args:
        optimizer: Configuration of the optimizer there.
        state: Names and values, or variables.
        parameters: Number of parameters.

    Returns:
        The values by the path of their group, none if they cannot be told apart, and whether they are all of the state.
    """
    names = _names(optimizer, lambda once: parameters)
    values = [value for _, value in state]
    if names is None or not values:
        return {}, not values
    heads: dict[str, Any] = {"iteration": values.pop(0)}
    own = optimizer["config"]
    if optimizer["class_name"] == "LossScaleOptimizer":
        own = own["inner_optimizer"]["config"]
        heads["step_counter"], heads["dynamic_scale"] = values.pop(), values.pop()
    if "u_product" in names:
        heads["u_product"] = values.pop(0)
    rate = own.get("learning_rate")
    heads["learning_rate"] = np.float32(0.0 if isinstance(rate, Mapping) else rate)
    kinds = dict.fromkeys(name.partition("_")[2] for name in names if name not in heads)
    slots = {f"{i}_{kind}": values.pop(0) for kind in kinds for i in range(parameters) if values}
    if any(name not in heads and name not in slots for name in names):
        return {}, False
    # What is left of Adam without amsgrad is one number for each parameter, which stands for nothing.
    spare = parameters if "velocity" in kinds and "momentum" in kinds and "u_product" not in names else 0
    complete = len(values) in (0, spare) and all(tuple(value.shape) == (1,) for value in values)
    found = {"optimizer": [heads.get(name, slots.get(name)) for name in names]}
    if "dynamic_scale" in names:
        # The optimizer inside has its own once more.
        found["optimizer/inner_optimizer"] = found["optimizer"][names.index("dynamic_scale") + 1 :]
    return found, complete


# -- to Keras 3 ---------------------------------------------------------------------------------


def compile_config(training: Mapping[str, Any]) -> dict[str, Any] | None:
    """What compile was told, in the form of Keras 3; None if something does not exist there."""
    try:
        return {
            "optimizer": _optimizer_to_keras3(training["optimizer_config"]),
            "loss": _each_to_keras3(training["loss"], "losses"),
            "loss_weights": training["loss_weights"],
            "metrics": _each_to_keras3(training["metrics"], "metrics"),
            "weighted_metrics": _each_to_keras3(training["weighted_metrics"], "metrics"),
        }
    except _UnknownError:
        return None


def hdf5_training(training: Mapping[str, Any]) -> dict[str, Any] | None:
    """What compile was told, as the HDF5 reader of Keras 3 wants it; None if something does not exist there.

    That reader takes over no state of an optimizer, not even that of its own files.
    """
    compiled = compile_config(training)
    if compiled is None:
        return None
    optimizer = compiled.pop("optimizer")
    # It looks for the module of what is inside another optimizer, and for no other.
    if optimizer["class_name"] != "LossScaleOptimizer":
        optimizer = {"class_name": optimizer["class_name"], "config": optimizer["config"]}
    return {"optimizer_config": optimizer, **compiled, "sample_weight_mode": training.get("sample_weight_mode")}


def _optimizer_to_keras3(content: Mapping[str, Any]) -> dict[str, Any]:
    from multikeras import optimizers

    kind, config = content["class_name"], dict(content["config"])
    if not isinstance(getattr(optimizers, kind, None), type) or kind == "Optimizer":
        raise _UnknownError(f"there is no optimizer {kind} in Keras 3.")
    if kind == "LossScaleOptimizer":
        config["inner_optimizer"] = _optimizer_to_keras3(config["inner_optimizer"])
        return _described("keras.optimizers", kind, config)
    if config.pop("exclude", None):
        raise _UnknownError("AdamW of Keras 3 does not keep which weights have no decay.")
    if config.pop("schedule_decay", 1.0) != 1.0:
        raise _UnknownError("Nadam of Keras 3 has no schedule_decay.")
    if "clipnorm" in config:
        config["global_clipnorm"] = config.pop("clipnorm")
        if config["global_clipnorm"] and config.get("clipvalue"):
            raise _UnknownError("Keras 3 clips by norm or by value.")
    if kind in ("RMSprop", "Adagrad") and not config.pop("epsilon_under_root", False):
        config["epsilon"] = config["epsilon"] ** 2
    if kind == "Adagrad":
        config.setdefault("initial_accumulator_value", 0.0)
    rate, decay = config.pop("learning_rate", config.pop("lr", None)), config.pop("decay", 0.0)
    if isinstance(rate, Mapping):
        rate = _described("keras.optimizers.schedules", rate["class_name"], rate["config"])
    elif decay:
        settings = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
        rate = _described("keras.optimizers.schedules", "InverseTimeDecay", settings)
    return _described("keras.optimizers", kind, {"learning_rate": rate, **config})


def _described(module: str, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": dict(config), "registered_name": None}


#: Functions of ours by their names there; None where there is none.
_OTHER_NAMES: dict[str, dict[str, Any]] = {
    "losses": {
        "cosine": "cosine_similarity",
        "cosine_proximity": "cosine_similarity",
        "huber_loss": "huber",
        "kullback_leibler_divergence": "kl_divergence",
        "logcosh": "log_cosh",
    },
    # The metric of this name is the cosine there, and its opposite here.
    "metrics": {
        "cosine": None,
        "cosine_proximity": None,
        "kullback_leibler_divergence": "kl_divergence",
        "logcosh": {
            "module": "keras.metrics",
            "class_name": "LogCoshError",
            "config": {"name": "logcosh"},
            "registered_name": None,
        },
    },
}
#: Classes that are not there.
_OURS_ALONE = frozenset({"LossFunctionWrapper", "MeanMetricWrapper", "MeanRelativeError", "MeanTensor", "Reduce"})


def _each_to_keras3(value: Any, place: str) -> Any:
    if isinstance(value, list):
        return [_each_to_keras3(entry, place) for entry in value]
    if isinstance(value, str):
        name = _OTHER_NAMES[place].get(value, value)
        if name is None:
            raise _UnknownError(f"{value} is another one of the {place} of Keras 3.")
        return name
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value or "config" not in value:
        return {name: _each_to_keras3(entry, place) for name, entry in value.items()}
    if value["class_name"] in _OURS_ALONE:
        raise _UnknownError(f"there is no {value['class_name']} among the {place} of Keras 3.")
    if ">" in value["class_name"]:
        made = _described("", value["class_name"].partition(">")[2], value["config"])
        return {**made, "registered_name": value["class_name"]}
    return _described(f"keras.{place}", value["class_name"], value["config"])

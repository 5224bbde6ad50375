"""Functions of K that stand outside the table of cases, and why."""

from __future__ import annotations

_SETTINGS = "a setting"
_SESSION = "names and state of the session"
_ASKS = "asks what a tensor is"
_HOST = "values of tensors as NumPy arrays"
_MAKES = "makes an argument"

#: What gives no tensor that could be computed, by kind; files of the project's own tests are about them.
FUNCTIONS: dict[str, str] = {
    **dict.fromkeys(
        [
            "backend", "backend_info", "set_backend", "use_backend", "set_device", "epsilon", "set_epsilon", "floatx",
            "set_floatx", "image_data_format", "set_image_data_format", "image_dim_ordering",
            "set_image_dim_ordering", "normalize_data_format", "learning_phase", "set_learning_phase",
            "manual_variable_initialization", "matmul_precision", "set_matmul_precision",
        ],
        _SETTINGS,
    ),
    **dict.fromkeys(
        ["get_uid", "reset_uids", "clear_session", "name_scope", "get_session", "set_session", "symbolic", "eager"],
        _SESSION,
    ),
    **dict.fromkeys(
        [
            "int_shape", "get_variable_shape", "ndim", "dtype", "count_params", "is_tensor", "is_variable",
            "is_placeholder", "is_keras_tensor", "is_sparse",
        ],
        _ASKS,
    ),
    **dict.fromkeys(
        ["eval", "get_value", "set_value", "batch_get_value", "batch_set_value", "function", "control_dependencies"],
        _HOST,
    ),
    "placeholder": _MAKES,
}  # fmt: skip

#: Cells in which there is no result that could be compared: what there is instead.
WITHOUT_RESULT: dict[str, str] = {"gradients": "None"}

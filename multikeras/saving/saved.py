"""The part of a model that writes and reads files."""

from __future__ import annotations

from typing import Any


class Saved:
    """Gives a model `save`, `save_weights`, `load_weights`, `to_json` and `to_yaml`."""

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
        """Writes the model to one file, for `models.load_model`.

        Args:
            filepath: A path, a binary file object, an open `h5py.File` or `h5py.Group`, or an `H5Dict`.
            overwrite: Whether a file that is there is replaced without asking.
            include_optimizer: Whether the training configuration and the optimizer's state are written.
        """
        from multikeras.saving import save_model

        save_model(self, filepath, overwrite, include_optimizer)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Writes the weights alone.

        Args:
            filepath: A path, a binary file object, an open `h5py.File` or `h5py.Group`, or an `H5Dict`.
            overwrite: Whether a file that is there is replaced without asking.
        """
        from multikeras.saving import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(
        self, filepath: Any, by_name: bool = False, skip_mismatch: bool = False, reshape: bool = False
    ) -> None:
        """Takes the weights from a file.

        Args:
            filepath: What `save` or `save_weights` wrote.
            by_name: Give layers the weights that the file holds under their name, and leave the others; otherwise
                layer for layer, in order.
            skip_mismatch: With `by_name`, leave layers whose weights differ as they are, with a warning.
            reshape: Bring arrays of as many numbers into the shapes of the weights.

        Raises:
            ValueError: If the file does not fit. The model is then as it was.
        """
        from multikeras.saving import load_weights

        load_weights(self, filepath, by_name, skip_mismatch, reshape)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON, for `models.model_from_json`; keywords go to `json.dumps`."""
        from multikeras.saving import to_json

        return to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The architecture as YAML, for `models.model_from_yaml`; keywords go to `yaml.safe_dump`."""
        from multikeras.saving import to_yaml

        return to_yaml(self, **kwargs)

    def export(self, filepath: Any, opset: int = 18, float64: bool = False) -> None:
        """Writes the model as an ONNX file, for prediction by other programs; see `multikeras.saving.onnx.export`.

        Args:
            filepath: The file, `*.onnx`.
            opset: The version of ONNX's operators that the file asks for, 18 or later.
            float64: Whether what is of type float64 is computed in it rather than in float32.
        """
        from multikeras.saving.onnx import export

        export(self, filepath, opset, float64)

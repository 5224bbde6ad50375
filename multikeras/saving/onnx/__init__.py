"""Models as ONNX files, made of their graph and not of any backend's program."""

from multikeras.saving.onnx.export import export

__all__ = ["export"]

"""The PyTorch backend; importing it imports torch."""

from multikeras_torch.torch_backend import TorchBackend

__all__ = ["TorchBackend"]

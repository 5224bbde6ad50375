"""The JAX backend of multikeras: programs jitted whole, with donated variables."""

from multikeras_jax.backend import JaxBackend

__all__ = ["JaxBackend"]

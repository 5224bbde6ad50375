"""Which device a backend uses, in the same words on every backend."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceSettings:
    """What the user asked for.

    Attributes:
        device: `'auto'` (an accelerator where there is one), `'cpu'`, `'gpu'` or `'gpu:1'`.
        preallocate: Whether a backend may reserve most of the GPU's memory when it starts; None
            leaves the library's own default. Only JAX reserves memory; the others ignore it.
        source: Where the setting came from, for error messages.
    """

    device: str = "auto"
    preallocate: bool | None = None
    source: str = "the default"

    @property
    def kind(self) -> str:
        """`'auto'`, `'cpu'` or `'gpu'`."""
        return self.device.partition(":")[0]

    @property
    def index(self) -> int:
        """Number of the GPU asked for, 0 where none was named."""
        return int(self.device.partition(":")[2] or 0)

    @classmethod
    def parse(cls, text: str, source: str) -> DeviceSettings:
        """Reads `'cpu'`, `'gpu'`, `'gpu:1'`, `'auto'`, with `no_preallocate` or `preallocate` beside it.

        Raises:
            ValueError: If a word is none of these; the message names `source`.
        """
        device, preallocate = "auto", None
        for word in re.split(r"[\s,]+", text.strip()):
            if word in ("preallocate", "no_preallocate"):
                preallocate = word == "preallocate"
            elif re.fullmatch(r"auto|cpu|gpu(:\d+)?", word):
                device = word
            else:
                raise ValueError(
                    f"{source} holds {text!r}: {word!r} is no device setting. Write 'auto', 'cpu', "
                    "'gpu' or 'gpu:N', with 'no_preallocate' or 'preallocate' beside it if wanted."
                )
        return cls(device, preallocate, source)


class DeviceError(RuntimeError):
    """The device asked for is not there."""

"""`RemoteMonitor`: what epochs log, sent to a server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping

import numpy as np

from multikeras.callbacks.base import Callback, Logs

_TIMEOUT = 10.0


class RemoteMonitor(Callback):
    """Sends what every epoch logs to a server, as JSON, with POST.

    A server that does not answer gives a warning; training goes on.

    Args:
        root: Address of the server.
        path: Where on the server.
        field: Name of the form field that holds the JSON.
        headers: More HTTP headers.
        send_as_json: Send the JSON itself, as application/json, instead of a form.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = dict(headers or {})
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        from urllib.error import URLError
        from urllib.parse import urlencode
        from urllib.request import Request, urlopen

        content = {"epoch": epoch, **{name: np.asarray(value).tolist() for name, value in (logs or {}).items()}}
        text = json.dumps(content)
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        data = text if self.send_as_json else urlencode({self.field: text})
        request = Request(self.root + self.path, data.encode("utf-8"), {"Content-Type": kind, **self.headers})
        try:
            with urlopen(request, timeout=_TIMEOUT):
                pass
        except (URLError, OSError) as error:
            warnings.warn(f"RemoteMonitor could not reach {self.root + self.path}: {error}", stacklevel=2)

"""ApiClient: the message API as one user, blocking; for tests that mostly look at the gateway."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class ApiClient:
    """Calls under `base` (…/api/v10) with one token."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._token = token

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and the decoded body (None when empty)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": self._token}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self._base + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                status, content = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                status, content = error.code, error.read()
        return status, json.loads(content) if content else None

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """As `call`, and fail unless the status is 2xx; return the body."""
        status, content = self.call(method, path, body)
        assert 200 <= status < 300, (method, path, status, content)
        return content

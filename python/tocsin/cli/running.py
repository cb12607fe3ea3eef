"""Running: the node that runs on a data folder, and asking it over its control routes."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tocsin.errors import ConfigError, StoreUnavailable, WorldFileError
from tocsin.service.node_file import NodeFile, read_node_file

TIMEOUT_S = 600


def running_node(data: str) -> NodeFile | None:
    """Return the node that runs on `data`, or None."""
    return read_node_file(data)


def ask(node: NodeFile, path: str, body: bytes) -> Any:
    """POST to a control route of a running node and return its decoded answer.

    Raises:
        errors.WorldFileError: the node found the body wrong.
        errors.StoreUnavailable: the node does not answer, or failed.
    """
    url = urlsplit(node.http)
    if url.hostname is None or url.port is None:
        raise ConfigError(f"data: node.json names no address: {node.http!r}")
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT_S)
    headers = {"Authorization": f"Tocsin {node.control_token}", "Content-Type": "application/octet-stream"}
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.read()
    except OSError as error:
        raise StoreUnavailable(
            f"the node {node.node} (pid {node.pid}) does not answer at {node.http}: {error}"
        ) from None
    finally:
        connection.close()
    if response.status == 204:
        return None
    try:
        decoded = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        decoded = {}
    if response.status == 200:
        return decoded
    message = decoded.get("message", "") if isinstance(decoded, dict) else ""
    if response.status == 400:
        raise WorldFileError(message)
    raise StoreUnavailable(f"the node {node.node} at {node.http} answered {response.status} {message}")

"""Portal: one thread with a loop of its own, where all requests and sessions of actors live.

The loop of the bot under test never waits for an actor, and a test without any loop may use actors too.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
REQUEST_S = 20.0
THREADS = 4


class Refused(AssertionError):
    """A request was answered with an error. `status` and `body` are the answer's."""

    def __init__(self, method: str, path: str, status: int, body: Any) -> None:
        super().__init__(f"{method} {path}: {status} {body}")
        self.status = status
        self.body = body


class Portal:
    """Runs coroutines on its thread and makes HTTP requests to one server."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = (address.hostname or "", address.port or 80)
        self._pool = ThreadPoolExecutor(THREADS, "tocsin-testing")
        self._own = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tocsin-testing", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the portal's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """End the sessions that are still open, and the thread."""
        self.run(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    @staticmethod
    async def _end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def request(self, method: str, path: str, authorization: str, body: Any = None) -> Any:
        """Make a request on the portal's loop; return the decoded body, None when empty.

        Raises:
            Refused: the status is not 2xx.
            OSError: the server is not there.
        """
        headers = {"Authorization": authorization}
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._request, method, path, headers, body)

    def request_now(self, method: str, path: str, authorization: str, body: Any = None) -> Any:
        """As `request`, on the calling thread, which waits. It has a connection of its own."""
        return self._request(method, path, {"Authorization": authorization}, body)

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {**headers, **({} if data is None else {"Content-Type": "application/json"})}
        status, content = self._exchange(method, path, headers, data)
        answer = json.loads(content) if content else None
        if not 200 <= status < 300:
            raise Refused(method, path, status, answer)
        return answer

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], data: bytes | None) -> tuple[int, bytes]:
        kept: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        connection = kept or self._connect()
        try:
            connection.request(method, path, data, dict(headers))
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            connection.close()
            self._own.connection = None
            if kept is None:
                raise
            # The server had closed an idle connection: what was sent on it was not read.
            return self._exchange(method, path, headers, data)
        return response.status, response.read()

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self._address, timeout=REQUEST_S)
        self._own.connection = connection
        self._connections.append(connection)
        return connection

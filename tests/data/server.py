"""An HTTP server on the loopback address that fails as asked."""

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """Serves `files` (path: bytes).

    `hold`: after how many bytes an answer waits for `go`. `cuts`: of the next answers, how many bytes each sends before the connection dies (none: all). `statuses`: of the
    next answers, instead of the file. `requests`: (path, Range header) of what was asked.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hold: int | None = None
    go: threading.Event = field(default_factory=threading.Event)
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    heeds_if_range: bool = True
    off: int = 0  # bytes that a range begins from where it was asked for
    length: bool = True
    digits: str = ""  # in place of any length
    encoding: str | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        if self.statuses or handler.path not in self.files:
            return handler.send_error(self.statuses.pop(0) if self.statuses else 404)
        content, start = self.files[handler.path], 0
        same = handler.headers.get("If-Range") in (self.etag, self.modified) or not self.heeds_if_range
        if asked and self.ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-")) + self.off
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{self.digits or len(content)}")
        for name, value in (("ETag", self.etag), ("Last-Modified", self.modified), ("Content-Encoding", self.encoding)):
            if value:
                handler.send_header(name, value)
        if self.length:
            handler.send_header("Content-Length", (not start and self.digits) or str(len(content) - start))
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        sent = content[start:] if cut is None else content[start : start + cut]
        handler.wfile.write(sent[: self.hold])
        if self.hold is not None and len(sent) > self.hold:
            self.go.wait(60)
            with suppress(ConnectionError):  # of a client that was killed
                handler.wfile.write(sent[self.hold :])


@contextmanager
def serve():
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.address = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.go.set()
        http.shutdown()
        thread.join()
        http.server_close()

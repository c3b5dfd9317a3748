"""fal's queue with its storage, and Lightricks' API, on the loopback interface: they behave, or misbehave as told."""

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class FakeService(ThreadingHTTPServer):
    """clip: the MP4 that every order makes. asked: what came.

    misbehaves: (pattern of "METHOD /path", answer) pairs; the first that fits is used up. An answer is a function of
    the handler. waits: how often a status says that it is being made.
    """

    daemon_threads = True

    def __init__(self, clip=b"", waits=1):
        super().__init__(("127.0.0.1", 0), Handler)
        self.clip, self.waits, self.asked, self.misbehaves, self.looks = clip, waits, [], [], 0
        self.embedding, self.chat = b"", "rewritten"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def when(self, pattern, answer, times=1):
        self.misbehaves += [(pattern, answer)] * times

    def of(self, pattern):
        return [it for it in self.asked if re.search(pattern, f"{it.method} {it.path}")]


@contextmanager
def serving(service):
    thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join()


def status(code, body=b"{}", **headers):
    """An answer of this status."""
    return lambda handler: handler.send(code, body, {name.replace("_", "-"): it for name, it in headers.items()})


def cut(handler):
    """Half of the clip, though all of it was promised."""
    handler.close_connection = True
    clip = handler.server.clip
    handler.send(200, clip[: len(clip) // 2], {"Content-Type": "video/mp4"}, length=len(clip))


def dropped(handler):
    """No answer at all, though the request was read."""
    handler.close_connection = True
    handler.connection.close()


def endless(kind, block=b"\0" * 65536):
    """Bytes for as long as anybody reads."""

    def answer(handler):
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(block)
        except OSError:
            pass

    return answer


def trickle(handler):
    """A byte now and then."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "video/mp4")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b"\0")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.answer()

    do_POST = do_PUT = do_GET

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        path = self.path.partition("?")[0]
        self.server.asked.append(Asked(self.command, path, dict(self.headers), self.rfile.read(length)))
        for index, (pattern, misbehave) in enumerate(self.server.misbehaves):
            if re.search(pattern, f"{self.command} {path}"):
                del self.server.misbehaves[index]
                return misbehave(self)
        return self.behave(path)

    def behave(self, path):
        url, service = self.server.url, self.server
        if path == "/clip.mp4":
            return self.send(200, service.clip, {"Content-Type": "video/mp4"})
        if path == "/storage/auth/token":
            token = {"token": "t", "token_type": "Bearer", "base_url": url, "expires_at": "2999-01-01T00:00:00+00:00"}
            return self.send_json(token)
        if path == "/files/upload":
            return self.send_json({"access_url": f"{url}/uploaded"})
        if path == "/v1/upload":
            put = {"upload_url": f"{url}/put", "storage_uri": "storage://1", "required_headers": {"x-kind": "block"}}
            return self.send_json(put)
        if path == "/v1/prompt-embedding":
            return self.send(200, service.embedding, {"Content-Type": "application/octet-stream"})
        if path == "/v1/chat/completions":
            return self.send_json({"choices": [{"message": {"role": "assistant", "content": service.chat}}]})
        if self.command == "PUT":
            return self.send_json({"status": "CANCELLATION_REQUESTED"})
        if self.command == "POST":
            service.looks = 0
            return self.send_json({"request_id": "req-1", "id": "job-1", "created_at": "now"})
        if path.endswith("/status"):
            made, done = ("IN_PROGRESS", "COMPLETED")
        else:
            made, done = ("processing", "completed")
        if re.fullmatch("/fal-ai/.*/requests/[^/]+", path):
            return self.send_json({"video": {"url": f"{url}/clip.mp4"}})
        service.looks += 1
        state = made if service.looks <= service.waits else done
        return self.send_json({"status": state, "queue_position": 0, "result": {"video_url": f"{url}/clip.mp4"}})

    def send_json(self, data):
        self.send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def send(self, code, content, headers, length=None):
        try:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) if length is None else length))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True

"""A hub on the loopback interface that serves folders as repositories, as far as huggingface_hub asks for one."""

import hashlib
import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """repositories: folders by id. gated: ids for which no token is good enough. requests: (method, path, range).

    cut: how many answers with a file's content end after half of it. lies: files that are shorter than was said.
    """

    def __init__(self, repositories, gated=(), cut=0, lies=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.gated, self.cut, self.lies = repositories, gated, cut, lies
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def file_requests(self):
        return [request for request in self.requests if "/resolve/" in request[1] and request[0] == "GET"]


@contextmanager
def serving(hub):
    thread = Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, path, self.headers.get("Range")))
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(/tree/.*|/revision/.*)?", path)
        file = re.fullmatch(rf"/([^/]+/[^/]+)/resolve/(?:main|{COMMIT})/(.*)", path)
        repository = (api or file)[1] if api or file else None
        if repository not in self.server.repositories:
            return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        folder = self.server.repositories[repository]
        if api and (api[2] or "").startswith("/tree/"):
            return self.send_json([entry(folder, path) for path in files_in(folder)])
        if api:
            return self.send_json(
                {
                    "id": repository,
                    "sha": COMMIT,
                    "private": False,
                    "gated": "auto" if repository in self.server.gated else False,
                    "cardData": {"license": "other", "license_name": "toy-licence"},
                    "tags": [],
                    "siblings": [{"rfilename": str(path.relative_to(folder))} for path in files_in(folder)],
                }
            )
        if repository in self.server.gated:
            return self.send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        return self.send_file(folder / file[2])

    def send_json(self, data):
        self.send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def send_file(self, path):
        content = path.read_bytes()
        headers = {"ETag": f'"{digest(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if path.name in self.server.lies and self.command == "GET":
            content = content[:-1]
        begin = 0
        if wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            begin = int(wanted[1])
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        part = content[begin:]
        if self.command == "GET" and self.server.cut:
            self.server.cut -= 1
            self.close_connection = True
            return self.send(200 if begin == 0 else 206, part[: len(part) // 2], headers, length=len(part))
        return self.send(200 if begin == 0 else 206, part, headers)

    def send(self, status, content, headers, length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def entry(folder, path):
    return {
        "type": "file",
        "path": path.relative_to(folder).as_posix(),
        "size": path.stat().st_size,
        "oid": digest(path.read_bytes()),
    }


def digest(content):
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()

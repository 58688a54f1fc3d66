"""Stands in for Google Cloud Storage, written from its published JSON API; prints its port.

It gives its own token for any login. What is kept is kept in memory.
"""

import base64
import hashlib
import itertools
import json
import re
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = sys.argv[1]
PAGE = 500
lock = threading.Lock()
objects = {}  # name: (bytes, generation)
sessions = {}  # id: [name, condition, bytes]
numbers = itertools.count(1)


def described(name):
    content, generation = objects[name]
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    return {
        "name": name,
        "size": str(len(content)),
        "generation": str(generation),
        "etag": f"etag-{generation}",
        "md5Hash": md5,
        "updated": "1994-11-06T08:49:37.000Z",
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", fields=()):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, reason):
        self.answer(status, {"error": {"code": status, "message": "No.", "errors": [{"reason": reason}]}})

    def begin(self, wants_login=True):
        url = urllib.parse.urlsplit(self.path)
        self.url = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if wants_login and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "authError")
            return False
        return True

    def condition(self, name, wanted):
        there = objects.get(name)
        return wanted is None or int(wanted) == (there[1] if there else 0)

    def do_POST(self):
        if self.path == "/token":
            self.begin(wants_login=False)
            kind = "urn:ietf:params:oauth:token-type:access_token"
            return self.answer(
                200,
                {"access_token": TOKEN, "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600},
                [("Content-Type", "application/json")],
            )
        if not self.begin():
            return
        if self.url != "/upload/storage/v1/b/releases/o":
            return self.refuse(404, "notFound")
        if self.query.get("uploadType") != "resumable":
            return self.refuse(501, "notImplemented")
        with lock:
            number = str(next(numbers))
            sessions[number] = [self.query["name"], self.query.get("ifGenerationMatch"), b""]
        place = f"http://{self.headers['Host']}/upload/storage/v1/b/releases/o?upload_id={number}"
        self.answer(200, b"", [("Location", place)])

    def do_DELETE(self):
        self.begin(wants_login=False)
        with lock:
            sessions.pop(self.query.get("upload_id"), None)
        self.answer(499)

    def do_PUT(self):
        self.begin(wants_login=False)
        with lock:
            session = sessions.get(self.query.get("upload_id"))
            if session is None:
                return self.refuse(404, "notFound")
            name, wanted, content = session
            part = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers["Content-Range"])
            if part[1]:
                if int(part[1]) > len(content):
                    return self.refuse(400, "invalid")
                session[2] = content = content[: int(part[1])] + self.body
            if part[3] == "*" or len(content) < int(part[3]):
                fields = [("Range", f"bytes=0-{len(content) - 1}")] if content else []
                return self.answer(308, b"", fields)
            sessions.pop(self.query["upload_id"])
            if not self.condition(name, wanted):
                return self.refuse(412, "conditionNotMet")
            objects[name] = (content, next(numbers))
            self.answer(200, described(name))

    def do_GET(self):
        if not self.begin():
            return
        if self.url == "/storage/v1/b/releases/o":
            return self.list()
        name = urllib.parse.unquote(self.url.removeprefix("/storage/v1/b/releases/o/"))
        with lock:
            if name not in objects:
                return self.refuse(404, "notFound")
            if not self.condition(name, self.query.get("ifGenerationMatch")):
                return self.refuse(412, "conditionNotMet")
            content, generation = objects[name]
            if self.query.get("alt") != "media":
                return self.answer(200, described(name))
        fields = [("x-goog-generation", str(generation)), ("ETag", f"etag-{generation}")]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not asked:
            return self.answer(200, content, fields)
        first = int(asked[1])
        last = min(int(asked[2] or len(content) - 1), len(content) - 1)
        if first > last:
            return self.refuse(416, "requestedRangeNotSatisfiable")
        fields.append(("Content-Range", f"bytes {first}-{last}/{len(content)}"))
        self.answer(206, content[first : last + 1], fields)

    def list(self):
        prefix = self.query.get("prefix", "")
        delimiter = self.query.get("delimiter")
        found = {}
        with lock:
            for name in sorted(objects, key=str.encode):
                if not name.startswith(prefix):
                    continue
                rest = name[len(prefix) :]
                if delimiter and delimiter in rest:
                    found[prefix + rest.split(delimiter)[0] + delimiter] = None
                else:
                    found[name] = described(name)
        names = [name for name in found if name > self.query.get("pageToken", "")]
        page = names[:PAGE]
        answer = {
            "items": [found[name] for name in page if found[name]],
            "prefixes": [name for name in page if not found[name]],
        }
        if len(names) > PAGE:
            answer["nextPageToken"] = page[-1]
        self.answer(200, answer)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()

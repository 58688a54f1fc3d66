"""Stands in for Azure Blob Storage, written from its published REST API; prints its port.

Signatures are not checked, only that there is one. What is kept is kept in memory.
"""

import base64
import email.utils
import hashlib
import re
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

ACCOUNT = sys.argv[1]
PAGE = 500
lock = threading.Lock()
blobs = {}  # name: (bytes, ETag, MD5 or None)
blocks = {}  # name: {block id: bytes}
count = 0


def tag():
    global count
    count += 1
    return f'"0x{count:X}"'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, fields=(), body=b""):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.\nRequestId:1</Message></Error>"
        self.answer(status, [("x-ms-error-code", code), ("Content-Type", "application/xml")], text.encode())

    def begin(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        container, _, name = url.path.removeprefix("/").partition("/")
        self.name = urllib.parse.unquote(name)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not (self.headers.get("Authorization") or "").startswith(f"SharedKey {ACCOUNT}:"):
            self.refuse(403, "AuthenticationFailed")
        elif container != "releases":
            self.refuse(404, "ContainerNotFound")
        else:
            return True
        return False

    def condition(self):
        """Whether a write may go on; answers if not."""
        there = blobs.get(self.name)
        if self.headers.get("If-None-Match") == "*" and there:
            self.refuse(409, "BlobAlreadyExists")
            return False
        match = self.headers.get("If-Match")
        if match and (not there or there[1] != match):
            self.refuse(412, "ConditionNotMet")
            return False
        return True

    def do_PUT(self):
        if not self.begin():
            return
        if self.query.get("comp") == "block":
            with lock:
                blocks.setdefault(self.name, {})[self.query["blockid"]] = self.body
            return self.answer(201)
        with lock:
            if not self.condition():
                return
            md5 = None
            content = self.body
            if self.query.get("comp") == "blocklist":
                ids = re.findall("<Latest>([^<]*)</Latest>", self.body.decode())
                known = blocks.get(self.name, {})
                if any(block not in known for block in ids):
                    return self.refuse(400, "InvalidBlockList")
                content = b"".join(known[block] for block in ids)
            elif self.headers.get("x-ms-blob-type") == "BlockBlob":
                md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
            else:
                return self.refuse(400, "InvalidHeaderValue")
            blocks.pop(self.name, None)
            blobs[self.name] = (content, tag(), md5)
            fields = [("ETag", blobs[self.name][1])]
            if md5:
                fields.append(("Content-MD5", md5))
        self.answer(201, fields)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if not self.begin():
            return
        if self.query.get("comp") == "list":
            return self.list()
        with lock:
            there = blobs.get(self.name)
        if not there:
            return self.refuse(404, "BlobNotFound")
        content, mark, md5 = there
        match = self.headers.get("If-Match")
        if match and match != mark:
            return self.refuse(412, "ConditionNotMet")
        fields = [("ETag", mark), ("Last-Modified", email.utils.formatdate(time.time(), usegmt=True)), ("x-ms-blob-type", "BlockBlob")]
        if md5:
            fields.append(("Content-MD5", md5))
        if self.command == "HEAD":
            return self.answer(200, [*fields, ("Content-Length", str(len(content)))])
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("x-ms-range") or self.headers.get("Range") or "")
        if not asked:
            return self.answer(200, fields, content)
        first = int(asked[1])
        last = min(int(asked[2] or len(content) - 1), len(content) - 1)
        if first > last:
            return self.refuse(416, "InvalidRange")
        fields.append(("Content-Range", f"bytes {first}-{last}/{len(content)}"))
        self.answer(206, fields, content[first : last + 1])

    def list(self):
        prefix = self.query.get("prefix", "")
        delimiter = self.query.get("delimiter")
        found = {}
        with lock:
            for name in sorted(blobs, key=str.encode):
                if not name.startswith(prefix):
                    continue
                rest = name[len(prefix) :]
                if delimiter and delimiter in rest:
                    found[prefix + rest.split(delimiter)[0] + delimiter] = None
                else:
                    found[name] = blobs[name]
        names = [name for name in found if name.encode() > self.query.get("marker", "").encode()]
        xml = ""
        for name in names[:PAGE]:
            if found[name] is None:
                xml += f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
                continue
            content, mark, md5 = found[name]
            xml += f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified><Etag>{mark.strip(chr(34))}</Etag><Content-Length>{len(content)}</Content-Length><Content-MD5>{md5 or ''}</Content-MD5></Properties></Blob>"
        marker = names[PAGE - 1] if len(names) > PAGE else ""
        text = f"<?xml version='1.0' encoding='utf-8'?><EnumerationResults><Blobs>{xml}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
        self.answer(200, [("Content-Type", "application/xml")], text.encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()

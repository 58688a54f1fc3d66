"""Stands in for Dropbox, written from its published HTTP API version 2; keeps all in memory.

`dropbox.py TOKEN REFRESH_TOKEN APP_KEY APP_SECRET` prints its port. `POST /control/faults` takes a
list of `{"route", "kind", "times", ...}` that strike the next requests of a route; `GET
/control/seen` tells what was asked, `GET /control/files` what is kept, in hexadecimal digits, and `POST
/control/empty` drops it.
"""

import hashlib
import json
import socket
import struct
import sys
import threading
import unicodedata
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 4 << 20
LARGEST_REQUEST = 150_000_000
PAGE = 500
DISALLOWED = {"desktop.ini", "thumbs.db", ".ds_store", ".dropbox"}


def content_hash(data):
    blocks = (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


def lower(path):
    return unicodedata.normalize("NFC", path).lower()


class Said(Exception):
    """An answer other than success."""

    def __init__(self, status, body, headers=()):
        self.status, self.body, self.headers = status, body, dict(headers)


class Cut(Exception):
    """The connection ends here."""


def conflict_free(error, summary="error/."):
    return Said(409, {"error_summary": summary, "error": error})


def tag(name, **more):
    return {".tag": name, **more}


class Account:
    def __init__(self, token, refresh, key, secret):
        self.lock = threading.RLock()
        self.tokens, self.expired = {token}, set()
        self.refresh, self.key, self.secret = refresh, key, secret
        self.faults, self.numbers = [], 0
        self.seen, self.largest = [], 0
        self.empty()

    def empty(self):
        with self.lock:
            self.files, self.folders, self.revisions = {}, {}, {}
            self.sessions, self.cursors = {}, {}

    def number(self):
        self.numbers += 1
        return self.numbers

    # Faults.

    def fault(self, route):
        with self.lock:
            for fault in self.faults:
                if fault["route"] == route and fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                elif fault["route"] == route and fault.get("times", 1) > 0:
                    fault["times"] = fault.get("times", 1) - 1
                    return fault
        return {"kind": ""}

    # Files and folders.

    def metadata(self, path):
        key = lower(path)
        if key in self.files:
            file = self.files[key]
            return {
                ".tag": "file",
                "name": file["path"].rsplit("/", 1)[1],
                "path_lower": key,
                # Only the last name is sure to have its own case.
                "path_display": key.rsplit("/", 1)[0] + "/" + file["path"].rsplit("/", 1)[1],
                "id": "id:" + file["rev"],
                "rev": file["rev"],
                "size": len(file["data"]),
                "content_hash": content_hash(file["data"]),
                "client_modified": "2026-01-01T00:00:00Z",
                "server_modified": "2026-01-01T00:00:00Z",
                "is_downloadable": True,
            }
        if key in self.folders:
            name = self.folders[key].rsplit("/", 1)[1]
            return {".tag": "folder", "name": name, "path_lower": key, "path_display": key, "id": "id:f"}
        return None

    def commit(self, info, data, wrap):
        path, key = info["path"], lower(info["path"])
        if not path.startswith("/") or path.endswith("/") or "//" in path:
            raise wrap(tag("malformed_path"))
        if path.rsplit("/", 1)[1].lower() in DISALLOWED:
            raise wrap(tag("disallowed_name"))
        above = [key[:at] for at in range(1, len(key)) if key[at] == "/"]
        if any(folder in self.files for folder in above):
            raise wrap(tag("conflict", conflict=tag("file_ancestor")))
        if key in self.folders:
            raise wrap(tag("conflict", conflict=tag("folder")))
        mode, old = info.get("mode", "add"), self.files.get(key)
        mode = mode if isinstance(mode, str) else mode.get("update", mode[".tag"])
        is_equal = old is not None and old["data"] == data and not info.get("strict_conflict")
        if mode != "overwrite" and not is_equal:
            expected = None if mode == "add" else mode
            strict = info.get("strict_conflict", False)
            if old is None and expected is not None and strict:
                raise wrap(tag("conflict", conflict=tag("file")))
            if old is not None and old["rev"] != expected:
                if info.get("autorename"):
                    raise Said(500, "renamed")
                raise wrap(tag("conflict", conflict=tag("file")))
        for folder in above:
            self.folders.setdefault(folder, path[: len(folder)])
        rev = f"{self.number():x}".rjust(15, "0")
        name = old["path"] if old else path
        self.files[key] = self.revisions[rev] = {"path": name, "data": data, "rev": rev}
        return self.metadata(path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/control/seen":
            account = self.account
            return self.answer(200, {"seen": account.seen, "largest": account.largest})
        if self.path == "/control/files":
            files = self.account.files.values()
            return self.answer(200, {file["path"]: file["data"].hex() for file in files})
        self.answer(404, {})

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if self.path == "/control/faults":
            faults = json.loads(self.rfile.read(size))
            self.account.faults = faults
            return self.answer(200, {})
        if self.path == "/control/empty":
            self.account.empty()
            return self.answer(200, {})
        route = self.path.removeprefix("/2/")
        fault = self.account.fault(route)
        try:
            if fault["kind"] == "cut-in-request":
                self.rfile.read(size // 2)
                raise Cut
            body = self.rfile.read(size)
            with self.account.lock:
                self.account.seen.append(
                    {
                        "route": route,
                        "size": size,
                        "argument": self.headers.get("Dropbox-API-Arg"),
                        "range": self.headers.get("Range"),
                        "root": self.headers.get("Dropbox-API-Path-Root"),
                        "user": self.headers.get("Dropbox-API-Select-User"),
                        "token": self.headers.get("Authorization"),
                    }
                )
                self.account.largest = max(self.account.largest, size)
            self.strike(fault)
            self.serve(route, body, fault)
        except Said as said:
            self.answer(said.status, said.body, said.headers)
        except Cut:
            self.close_connection = True
            # A reset, not an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def strike(self, fault):
        kind = fault["kind"]
        if kind == "status":
            headers = {"Retry-After": str(fault["after"])} if "after" in fault else {}
            raise Said(fault["status"], fault.get("body", "busy"), headers)
        if kind == "cut-before":
            raise Cut
        if kind == "expire":
            account = self.account
            account.expired |= account.tokens
        if kind == "refuse":
            raise conflict_free(fault["error"])

    def serve(self, route, body, fault):
        if len(body) > LARGEST_REQUEST:
            raise Said(400, "too large")
        if route == "/oauth2/token":
            return self.answer(200, self.grant(body))
        self.authorise()
        account = self.account
        if route == "files/download":
            return self.download(json.loads(self.headers["Dropbox-API-Arg"]), fault)
        is_rpc = "Dropbox-API-Arg" not in self.headers
        argument = json.loads(body if is_rpc else self.headers["Dropbox-API-Arg"])
        if fault["kind"] == "half":
            # A part arrived, and the client does not know.
            session = account.sessions[argument["cursor"]["session_id"]]
            session.extend(body[: fault.get("bytes", len(body) // 2)])
            raise Cut
        if not is_rpc and "content_hash" in argument:
            if content_hash(body) != argument["content_hash"] or fault["kind"] == "damage":
                raise conflict_free(tag("content_hash_mismatch"))
        if fault["kind"] == "flip":
            body = bytes([body[0] ^ 1]) + body[1:]
        with account.lock:
            result = getattr(self, "do_" + route.replace("/", "_"))(argument, body)
        if fault["kind"] == "other-hash":
            result["content_hash"] = "0" * 64
        if fault["kind"] == "cut-after":
            raise Cut
        self.answer(200, result)

    def authorise(self):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        account = self.account
        if token in account.expired:
            raise Said(401, {"error_summary": "expired_access_token/.", "error": tag("expired_access_token")})
        if token not in account.tokens:
            # Dropbox repeats what it does not understand.
            raise Said(400, f'Invalid authorization value in HTTP header "Authorization": "Bearer {token}"')

    def grant(self, body):
        account, form = self.account, dict(urllib.parse.parse_qsl(body.decode()))
        expected = {
            "grant_type": "refresh_token",
            "refresh_token": account.refresh,
            "client_id": account.key,
            "client_secret": account.secret,
        }
        if form != expected:
            told = f"refresh token is invalid or revoked: {form.get('refresh_token')}"
            raise Said(400, {"error": "invalid_grant", "error_description": told})
        with account.lock:
            token = f"sl.fresh-{account.number()}"
            account.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "expires_in": 14400}

    def download(self, argument, fault):
        account, path = self.account, argument["path"]
        with account.lock:
            if path.startswith("rev:"):
                file = account.revisions.get(path[4:])
            else:
                file = account.files.get(lower(path))
                if file is None and lower(path) in account.folders:
                    raise conflict_free(tag("path", path=tag("not_file")))
            if file is None:
                raise conflict_free(tag("path", path=tag("not_found")))
            data = file["data"]
            told = {"name": file["path"].rsplit("/", 1)[1], "rev": file["rev"], "size": len(data)}
        start, status, headers = 0, 200, {"Dropbox-API-Result": json.dumps(told)}
        if "Range" in self.headers:
            start, status = int(self.headers["Range"][6:-1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.answer(status, data[start:], headers, cut=fault["kind"] == "cut-in-answer")

    def do_files_upload(self, argument, body):
        wrap = lambda reason: conflict_free(tag("path", reason=reason, upload_session_id="1"))
        result = self.account.commit(argument, body, wrap)
        return {name: value for name, value in result.items() if name != ".tag"}

    def do_files_upload_session_start(self, _, body):
        session = f"session-{self.account.number()}"
        self.account.sessions[session] = bytearray(body)
        return {"session_id": session}

    def session(self, cursor):
        data = self.account.sessions.get(cursor["session_id"])
        if data is None:
            return None, tag("not_found")
        if cursor["offset"] != len(data):
            return None, tag("incorrect_offset", correct_offset=len(data))
        return data, None

    def do_files_upload_session_append_v2(self, argument, body):
        data, error = self.session(argument["cursor"])
        if error:
            raise conflict_free(error)
        data.extend(body)
        return None

    def do_files_upload_session_finish(self, argument, body):
        data, error = self.session(argument["cursor"])
        if error:
            raise conflict_free(tag("lookup_failed", lookup_failed=error))
        wrap = lambda reason: conflict_free(tag("path", path=reason))
        result = self.account.commit(argument["commit"], bytes(data) + body, wrap)
        del self.account.sessions[argument["cursor"]["session_id"]]
        return {name: value for name, value in result.items() if name != ".tag"}

    def do_files_get_metadata(self, argument, _):
        metadata = self.account.metadata(argument["path"])
        if metadata is None:
            raise conflict_free(tag("path", path=tag("not_found")))
        return metadata

    def do_files_list_folder(self, argument, _):
        account, folder = self.account, lower(argument["path"])
        if folder in account.files:
            raise conflict_free(tag("path", path=tag("not_folder")))
        if folder and folder not in account.folders:
            raise conflict_free(tag("path", path=tag("not_found")))
        keys = [key for key in {**account.files, **account.folders} if key.startswith(folder + "/")]
        if argument.get("recursive"):
            # Dropbox lists the folder itself too.
            keys += [folder] if folder else []
        else:
            keys = [key for key in keys if "/" not in key[len(folder) + 1 :]]
        # In no order that a client could rely on.
        keys.sort(key=lambda key: hashlib.sha256(key.encode()).digest())
        return self.page([account.metadata(key) for key in keys])

    def page(self, entries):
        cursor = f"cursor-{self.account.number()}"
        self.account.cursors[cursor] = entries[PAGE:]
        return {"entries": entries[:PAGE], "cursor": cursor, "has_more": len(entries) > PAGE}

    def do_files_list_folder_continue(self, argument, _):
        return self.page(self.account.cursors.pop(argument["cursor"]))

    def answer(self, status, body, headers=(), cut=False):
        is_text = isinstance(body, str)
        data = body if isinstance(body, bytes) else (body if is_text else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if cut:
            self.wfile.write(data[: len(data) // 2])
            raise Cut
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


Handler.account = Account(*sys.argv[1:])
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()

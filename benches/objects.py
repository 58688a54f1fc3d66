"""A server that answers S3's listing and GET for one folder, in time linear in its objects.

Those at hand walk the whole bucket for every page of a listing, so that their own time would be
measured. It checks no signature and keeps nothing. Run: objects.py PORT FOLDER
"""
import asyncio
import bisect
import hashlib
import os
import sys
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000
FOLDER = sys.argv[2]
SIZES = {}
for above, _, names in os.walk(FOLDER):
    for name in names:
        path = os.path.join(above, name)
        SIZES[os.path.relpath(path, FOLDER)] = os.path.getsize(path)
KEYS = sorted(SIZES)


def listing(query):
    """One page of the objects below a prefix."""
    prefix = query.get("prefix", [""])[0]
    begin = query.get("continuation-token", query.get("start-after", [""]))[0]
    after = bisect.bisect_right(KEYS, begin) if begin else bisect.bisect_left(KEYS, prefix)
    keys = []
    for key in KEYS[after : after + PAGE]:
        if not key.startswith(prefix):
            break
        keys.append(key)
    is_cut = len(keys) == PAGE
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{SIZES[key]}</Size>"
        f'<ETag>"{hashlib.md5(key.encode()).hexdigest()}"</ETag>'
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    token = f"<NextContinuationToken>{escape(keys[-1])}</NextContinuationToken>" if is_cut else ""
    cut = "true" if is_cut else "false"
    return (
        '<?xml version="1.0"?><ListBucketResult><Name>bench</Name>'
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(keys)}</KeyCount>"
        f"<IsTruncated>{cut}</IsTruncated>{token}{entries}</ListBucketResult>"
    ).encode()


def answer(target):
    """Status, further headers and body of the answer to a GET."""
    url = urlsplit(target)
    query = parse_qs(url.query)
    key = unquote(url.path).removeprefix("/bench").removeprefix("/")
    if "list-type" in query:
        return "200 OK", "Content-Type: application/xml\r\n", listing(query)
    if key not in SIZES:
        body = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
        return "404 Not Found", "Content-Type: application/xml\r\n", body
    with open(os.path.join(FOLDER, key), "rb") as file:
        body = file.read()
    mark = hashlib.md5(key.encode()).hexdigest()
    last = max(len(body) - 1, 0)
    headers = f'ETag: "{mark}"\r\nContent-Range: bytes 0-{last}/{len(body)}\r\n'
    return "206 Partial Content", headers, body


async def serve(reader, writer):
    """Answers the requests of one connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status, headers, body = answer(head.split(" ", 2)[1])
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    """Listens until it is stopped."""
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


asyncio.run(main())

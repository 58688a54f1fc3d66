"""Stands between a test and an engine's socket.

`proxy.py tls SOCKET CERTIFICATE KEY AUTHORITY` takes TLS connections on a port, which it prints;
`proxy.py stdio SOCKET` passes standard input and output on, as `docker system dial-stdio` does.
"""

import os
import socket
import ssl
import sys
import threading


def connect(path):
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(path)
    return engine


def copy(read, write, close):
    try:
        while data := read(65536):
            write(data)
    except OSError:
        pass
    try:
        close()
    except OSError:
        pass


def both(client, path):
    engine = connect(path)
    shut = lambda: engine.shutdown(socket.SHUT_WR)
    there = threading.Thread(target=copy, args=(client.recv, engine.sendall, shut), daemon=True)
    there.start()
    copy(engine.recv, client.sendall, client.close)


def tls(path, certificate, key, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        plain, _ = listener.accept()

        def serve(plain=plain):
            try:
                both(context.wrap_socket(plain, server_side=True), path)
            except OSError:
                plain.close()

        threading.Thread(target=serve, daemon=True).start()


def stdio(path):
    engine = connect(path)
    shut = lambda: engine.shutdown(socket.SHUT_WR)
    there = threading.Thread(
        target=copy, args=(lambda size: os.read(0, size), engine.sendall, shut), daemon=True
    )
    there.start()
    copy(engine.recv, lambda data: sys.stdout.buffer.write(data) and sys.stdout.flush(), lambda: None)
    os._exit(0)


{"tls": tls, "stdio": stdio}[sys.argv[1]](*sys.argv[2:])

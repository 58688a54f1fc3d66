"""Takes TLS connections for a server: `tls.py PORT CERTIFICATE KEY`; prints its own port."""

import socket
import ssl
import sys
import threading

port, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError:
        return plain.close()
    server = socket.create_connection(("127.0.0.1", int(port)))
    threading.Thread(target=copy, args=(server, client), daemon=True).start()
    copy(client, server)


while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()

"""Runs in a pod: which of the addresses given as HOST:PORT accept a connection within two seconds, as one JSON object."""

import json
import socket
import sys


def reaches(address: str) -> bool:
    """True when a connection comes about; a name that is not known raises."""
    host, _, port = address.rpartition(":")
    place = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][4]
    try:
        socket.create_connection((str(place[0]), int(place[1])), timeout=2).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps({address: reaches(address) for address in sys.argv[1:]}))

"""The address of the page, checked before the work begins."""

from __future__ import annotations

import errno
import socket

from c3core.errors import C3Error


def check_address(host: str, port: int) -> None:
    """Raise `C3Error` if nothing can listen at an address."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise C3Error(f"port {port} is in use. Choose another one: --port {port % 65535 + 1}.") from None
        raise C3Error(
            f"cannot listen at {host}, port {port}: {error.strerror}. Give another --host or --port."
        ) from None

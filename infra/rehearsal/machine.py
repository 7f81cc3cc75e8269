"""Processes and ports of this machine: started for a rehearsal, waited for, and stopped by the id that they got."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = Path(os.environ["SESSION_BUILDER_TOOLS"])
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"


def free_ports(number):
    """As many ports in a row that nobody listens on."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            others = [socket.socket() for _ in range(number - 1)]
            try:
                for offset, other in enumerate(others, 1):
                    other.bind(("127.0.0.1", port + offset))
                return port
            except (OSError, OverflowError):
                continue
            finally:
                for other in others:
                    other.close()


def until(what, seconds, condition):
    """Waits for something to be true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.2)
    return found


def answers(url):
    """Whether a page answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Process:
    """A running program, with what it writes in a file."""

    def __init__(self, command, output, environment=None, directory=None):
        self.output = Path(output)
        with self.output.open("ab") as file:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                cwd=directory,
            )

    def stop(self):
        """Ends it as a container is ended."""
        self.child.terminate()
        try:
            self.child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def text(self):
        return self.output.read_text(errors="replace")

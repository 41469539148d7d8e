"""Finding, installing and stopping servers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

_INSTALL_SECONDS = 900
_STOP_SECONDS = 30


def postgres_directory() -> Path | None:
    """Give the directory of PostgreSQL's programs; version 15 if there are several."""
    found = [path for path in Path("/usr/lib/postgresql").glob("[0-9]*/bin") if (path / "postgres").exists()]
    found.sort(key=lambda path: (path.parent.name == "15", path.parent.name))
    if found:
        return found[-1]
    program = shutil.which("postgres")
    return Path(program).resolve().parent if program else None


def install(package: str, say: Callable[[str], None]) -> bool:
    """Install a Debian package, if this is Debian and root asks; say whether it is installed now.

    Debian starts a server that it installs, where services are started at all;
    the comparison starts its own and does not touch that one.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    say(f"installing {package} with apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            say(f"apt-get {command[0]} failed: {said[-1] if said else f'exit status {done.returncode}'}")
            return False
    return True


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ask a server of ours to end, and kill it if it does not."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""A real server for the tests, over TLS with a token."""

import os
import pathlib
import select
import subprocess

import pytest
from kinfold import Client

PATIENCE_SECONDS = 60


class Server:
    """A running `kinfold serve` over a new store, with TLS and tokens."""

    def __init__(self, binary, directory):
        store, self.ca, key, tokens = (directory / name for name in ("store", "server.pem", "server.key", "tokens.toml"))
        run = lambda *words: subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)
        run(binary, "init", "--store", store)
        run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-keyout", key, "-out", self.ca),
        )
        self.tokens = {}
        for role in ("read", "admin"):
            made = run(binary, "token", "--name", role, "--role", role)
            with tokens.open("a") as file:
                file.write(made.stdout)
            self.tokens[role] = made.stderr.strip().rpartition(" ")[2]
        self._log = (directory / "log").open("w+")
        words = [binary, "serve", "--store", store, "--listen", "127.0.0.1:0", "--tls-certificate", self.ca]
        words += ["--tls-key", key, "--tokens", tokens, "--set", f"audit_dir={directory / 'audit'}"]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=self._log, text=True)
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        assert line.startswith("listening on https://"), f"{line!r}\n{pathlib.Path(self._log.name).read_text()}"
        self.url = line.strip().removeprefix("listening on ")

    def client(self, role="admin", **more):
        return Client(self.url, token=self.tokens[role], ca=self.ca, **more)

    def stop(self):
        self._process.terminate()
        try:
            assert self._process.wait(PATIENCE_SECONDS) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._log.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    binary = os.environ.get("KINFOLD_BIN", "")
    if not os.access(binary, os.X_OK):
        pytest.exit(f"there is no `{binary}` (KINFOLD_BIN): build it first: make build", 1)
    server = Server(binary, tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def store(server):
    with server.client() as client:
        yield client

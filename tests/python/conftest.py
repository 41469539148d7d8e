"""A server of one's own for each module, and the stubs of its contract.

The stubs are generated from the protos at test time, into a directory that goes
away with the tests: this client knows nothing of Kinfold but its contract.
"""

import importlib
import os
import pathlib
import select
import subprocess
import sys
import time

import grpc
import pytest
from grpc_tools import protoc

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
PATIENCE_SECONDS = 60

SCHEMA = """
[person]
threshold = 0.5

[household]
threshold = 0.3

[namespace.account]
max_per_person = 1

[namespace.email]
normalise = "email"

[namespace.phone]
normalise = "phone"
region = "DE"

[namespace.device]

[namespace.address]
normalise = "lower"
scope = "household"
"""


class Stubs:
    """The generated modules: messages and services by their names in the contract."""

    def __init__(self, directory):
        files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
        assert files, f"no protos in {PROTO}"
        well_known = importlib.import_module("grpc_tools").__path__[0] + "/_proto"
        arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={directory}"]
        assert protoc.main(arguments + [f"--grpc_python_out={directory}"] + files) == 0
        sys.path.insert(0, str(directory))
        self._modules = []
        for file in files:
            name = file.removesuffix(".proto").replace("/", ".")
            for suffix in ("_pb2", "_pb2_grpc"):
                self._modules.append(importlib.import_module(name + suffix))

    def __getattr__(self, name):
        for module in self._modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"the contract has no {name}")


class Server:
    """A running `kinfold serve` over a new store, and a channel to it.

    `more` are further arguments; `connect` makes the channel of the address.
    """

    def __init__(self, binary, directory, *more, connect=grpc.insecure_channel):
        self.binary = binary
        self.store = directory / "store"
        schema = directory / "schema.toml"
        schema.write_text(SCHEMA)
        subprocess.run([binary, "init", "--store", self.store, "--schema", schema], check=True, stdout=subprocess.PIPE)
        self._log = (directory / "log").open("w+")
        self._process = subprocess.Popen(
            [binary, "serve", "--store", self.store, "--listen", "127.0.0.1:0", *more],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        assert line.startswith("listening on http"), f"the server does not listen: {line!r}\n{self.log()}"
        self.address = line.strip().rpartition("//")[2]
        self.channel = connect(self.address)

    def log(self):
        self._log.flush()
        return pathlib.Path(self._log.name).read_text()

    def admin_address(self):
        """Where metrics and health are, for a server that was told to have them."""
        line = self._process.stdout.readline()
        assert line.startswith("metrics and health on "), line
        return line.strip().removeprefix("metrics and health on ")

    def stop(self):
        """Asks the server to end and gives its exit status."""
        self.channel.close()
        self._process.terminate()
        try:
            return self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._log.close()


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("KINFOLD_BIN", "")
    if not os.access(path, os.X_OK):
        pytest.exit(f"there is no `{path}` (KINFOLD_BIN): build it first: make build", 1)
    return path


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    return Stubs(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    server = Server(binary, tmp_path_factory.mktemp("server"))
    yield server
    log = server.log()
    assert server.stop() == 0, log
    assert "panicked" not in log, log


@pytest.fixture(scope="module")
def ingest(api, server):
    return api.IngestServiceStub(server.channel)


@pytest.fixture(scope="module")
def lookup(api, server):
    return api.LookupServiceStub(server.channel)


@pytest.fixture(scope="module")
def queries(api, server):
    return api.QueryServiceStub(server.channel)


@pytest.fixture(scope="module")
def admin(api, server):
    return api.AdminServiceStub(server.channel)


class Maker:
    """Makes the messages that every test needs."""

    def __init__(self, api):
        self.api = api

    def identifier(self, name):
        namespace, value = name.split(":", 1)
        return self.api.Identifier(namespace=namespace, value=value)

    def seen(self, *names, source="crm", **fields):
        observation = self.api.Observation(source=source, identifiers=[self.identifier(name) for name in names], **fields)
        if "time" not in fields:
            observation.time.FromJsonString("2026-01-05T00:00:00Z")
        return observation

    def person(self, name):
        return self.api.PersonSelector(identifier=self.identifier(name))


@pytest.fixture(scope="session")
def make(api):
    return Maker(api)


@pytest.fixture(scope="module", autouse=True)
def family(ingest, make, api):
    """Ann with two records and a household; Bob at the same address; Cid alone."""
    name = lambda text: {"name": api.AttributeValue(string_value=text)}
    age = {"age": api.AttributeValue(number_value=41), "vip": api.AttributeValue(bool_value=True)}
    later = make.seen("account:a-1", "phone:030 123456", record_id="c-2", source="shop")
    later.time.FromJsonString("2026-02-01T12:30:00.5Z")
    later.attributes["name"].string_value = "Ann B"
    observations = [
        make.seen("account:a-1", "email:Ann@Example.com", "address:Elm 1", record_id="c-1", attributes=name("Ann") | age),
        later,
        make.seen("account:a-2", "email:bob@example.com", "address:ELM 1", record_id="c-3", attributes=name("Bob")),
        make.seen("account:a-3", "email:cid@example.com"),
    ]
    receipt = ingest.Observe(api.ObserveRequest(observations=observations)).receipt
    assert (receipt.accepted, len(receipt.rejections)) == (4, 0)
    return receipt.sequence


def rpc_details(error):
    """The google.rpc details of a refused call, by the names of their types."""
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error}"
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found = {}
    for detail in status.details:
        kind = detail.type_url.rsplit(".", 1)[-1]
        message = getattr(error_details_pb2, kind)()
        assert detail.Unpack(message)
        found[kind] = message
    assert found["ErrorInfo"].domain == "kinfold"
    return found


@pytest.fixture(scope="session")
def refused():
    """Makes a call that must be refused; gives the code, the reason, and all details."""

    def call(method, request, **options):
        started = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            answer = method(request, **options)
            # A stream is refused when it is read.
            if isinstance(answer, grpc.RpcContext):
                list(answer)
        assert time.monotonic() - started < PATIENCE_SECONDS
        details = rpc_details(caught.value)
        return caught.value.code(), details["ErrorInfo"].reason, details

    return call

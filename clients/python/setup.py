"""Makes the package's messages and stubs of the contract's protos as it is built."""

import pathlib

from setuptools import setup
from setuptools.command.build_py import build_py

PROTO = pathlib.Path(__file__).resolve().parent.parent.parent / "proto"


class Compiled(build_py):
    """Builds the package, and `kinfold.v1` into it."""

    def run(self):
        super().run()
        import grpc_tools
        from grpc_tools import protoc

        files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
        if not files:
            raise SystemExit(f"there are no protos in {PROTO}: install from a checkout of Kinfold")
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        out = self.build_lib
        arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
        if protoc.main(arguments + files) != 0:
            raise SystemExit("the protos do not compile")
        (pathlib.Path(out) / "kinfold" / "v1" / "__init__.py").write_text('"""What the contract `kinfold.v1` generates."""\n')


setup(cmdclass={"build_py": Compiled})

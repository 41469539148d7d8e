"""Every message and stub of the contract, by its name there: `api.QueryRequest`, `api.QueryServiceStub`."""

from .v1.admin_pb2 import *  # noqa: F403
from .v1.admin_pb2_grpc import AdminServiceStub
from .v1.common_pb2 import *  # noqa: F403
from .v1.event_pb2 import *  # noqa: F403
from .v1.explain_pb2 import *  # noqa: F403
from .v1.explain_pb2_grpc import ExplainServiceStub
from .v1.ingest_pb2 import *  # noqa: F403
from .v1.ingest_pb2_grpc import IngestServiceStub
from .v1.lookup_pb2 import *  # noqa: F403
from .v1.lookup_pb2_grpc import LookupServiceStub
from .v1.query_pb2 import *  # noqa: F403
from .v1.query_pb2_grpc import QueryServiceStub
from .v1.watch_pb2 import *  # noqa: F403
from .v1.watch_pb2_grpc import WatchServiceStub

STUBS = {
    "AdminService": AdminServiceStub,
    "ExplainService": ExplainServiceStub,
    "IngestService": IngestServiceStub,
    "LookupService": LookupServiceStub,
    "QueryService": QueryServiceStub,
    "WatchService": WatchServiceStub,
}

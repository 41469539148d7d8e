"""Refusals, with what the server says of them."""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class KinfoldError(Exception):
    """The server refused a call, or could not be reached.

    `code` is the canonical code (`grpc.StatusCode`); `reason` the stable name of what went wrong, as
    `IDENTIFIER_UNKNOWN`; `field` the field of the request at fault; `limit` the limit that was met;
    `retry_after` in how many seconds to come back, where that helps; `metadata` what else there is to know.
    """

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details() or ""
        self.reason, self.field, self.limit, self.retry_after, self.metadata = "", None, None, None, {}
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else ():
            kind = detail.type_url.rpartition(".")[2]
            message = getattr(error_details_pb2, kind, None)
            message = message and message()
            if message is None or not detail.Unpack(message):
                continue
            if kind == "ErrorInfo":
                self.reason, self.metadata = message.reason, dict(message.metadata)
            elif kind == "BadRequest":
                self.field = message.field_violations[0].field
            elif kind == "QuotaFailure":
                self.limit = message.violations[0].subject
            elif kind == "RetryInfo":
                self.retry_after = message.retry_delay.ToTimedelta().total_seconds()
        super().__init__(f"{self.code.name}: {self.message}")

    @property
    def passes(self):
        """Whether the same call may well succeed a little later."""
        return self.retry_after is not None or self.code == grpc.StatusCode.UNAVAILABLE

//! What every call passes: limits, who calls and what they may do, what is measured.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use kinfold_engine::model::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::audit::{Auditor, Ended, Note, QUEUE};
use crate::auth::{Caller, Role};
use crate::config::ServeConfig;
use crate::grpc::{CallError, status};
use crate::metrics::{Held, Metrics};
use crate::tokens::{Kept, Tokens};
use crate::traces::{CallSpan, Traces};

/// Bytes as bodies carry them.
type Bytes = <Body as http_body::Body>::Data;

/// Every method of the contract, and what it takes to call it.
const METHODS: [(&str, Role); 37] = [
    ("IngestService/Observe", Role::Write),
    ("IngestService/ObserveStream", Role::Write),
    ("IngestService/Forbid", Role::Write),
    ("IngestService/Require", Role::Write),
    ("IngestService/Release", Role::Write),
    ("IngestService/Retract", Role::Write),
    ("IngestService/Forget", Role::Write),
    ("IngestService/Readmit", Role::Write),
    ("IngestService/GetOutcome", Role::Write),
    ("LookupService/ResolvePerson", Role::Read),
    ("LookupService/BatchResolvePersons", Role::Read),
    ("LookupService/GetProfile", Role::Read),
    ("LookupService/GetHousehold", Role::Read),
    ("LookupService/ListIdentifiers", Role::Read),
    ("ExplainService/Why", Role::Read),
    ("ExplainService/WhyNot", Role::Read),
    ("ExplainService/How", Role::Read),
    ("ExplainService/WhatIf", Role::Read),
    ("ExplainService/History", Role::Read),
    ("ExplainService/Network", Role::Read),
    ("ExplainService/Assert", Role::Read),
    ("QueryService/Query", Role::Read),
    ("QueryService/Parse", Role::Read),
    ("WatchService/Watch", Role::Read),
    ("AdminService/GetStats", Role::Read),
    ("AdminService/GetSchema", Role::Read),
    ("AdminService/PlanSchema", Role::Admin),
    ("AdminService/ApplySchema", Role::Admin),
    ("AdminService/Rebuild", Role::Admin),
    ("AdminService/Check", Role::Admin),
    ("AdminService/Backup", Role::Admin),
    ("AdminService/Compact", Role::Admin),
    ("AdminService/ExportPerson", Role::Admin),
    ("AdminService/Audit", Role::Admin),
    // Reflection tells the contract, and no more.
    ("ServerReflection/v1", Role::Read),
    ("ServerReflection/v1alpha", Role::Read),
    ("other", Role::Read),
];

/// The health of the server: load balancers bring no token, and ask under overload most of all.
const HEALTH: &str = "Health";

/// What is called, as labels name it, and what it takes to call it; `None`: nothing.
fn called(path: &str) -> (&'static str, Option<Role>) {
    let known = |name: &str| METHODS.iter().find(|(method, _)| *method == name);
    let found = match path.strip_prefix("/kinfold.v1.") {
        Some(name) => known(name),
        None if path.starts_with("/grpc.health.v1.Health/") => return (HEALTH, None),
        None if path.starts_with("/grpc.reflection.v1.ServerReflection/") => known("ServerReflection/v1"),
        None if path.starts_with("/grpc.reflection.v1alpha.ServerReflection/") => {
            known("ServerReflection/v1alpha")
        }
        None => None,
    };
    // What there is not is answered so behind the door, to whoever may ask at all.
    let (method, role) = found.copied().unwrap_or(("other", Role::Read));
    (method, Some(role))
}

/// Whether calls of a method read or change anything of persons, or the store as a whole.
fn is_audited(method: &str) -> bool {
    !matches!(
        method,
        HEALTH
            | "ServerReflection/v1"
            | "ServerReflection/v1alpha"
            | "other"
            | "IngestService/GetOutcome"
            | "QueryService/Parse"
            | "AdminService/GetStats"
            | "AdminService/GetSchema"
    )
}

/// What a connection knows of itself.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionInfo {
    /// Who is at the other end.
    pub(crate) peer: Option<SocketAddr>,
    /// The places of the calls that it may have under way.
    pub(crate) calls: Arc<Semaphore>,
}

/// The layer that every call goes through.
#[derive(Clone)]
pub(crate) struct Door(Arc<Rules>);

struct Rules {
    tokens: Option<Arc<Kept<Tokens>>>,
    calls: Arc<Semaphore>,
    max_calls: usize,
    max_calls_per_connection: usize,
    max_request_bytes: u64,
    max_receive_bytes: u64,
    held_bytes: AtomicU64,
    metrics: Metrics,
    auditor: Option<Auditor>,
    traces: Option<Traces>,
}

impl Door {
    /// A door with the limits of `config`, for those who bring one of `tokens`, or for everybody.
    pub(crate) fn new(
        config: &ServeConfig,
        tokens: Option<Arc<Kept<Tokens>>>,
        metrics: Metrics,
        auditor: Option<Auditor>,
        traces: Option<Traces>,
    ) -> Self {
        Self(Arc::new(Rules {
            tokens,
            calls: Arc::new(Semaphore::new(config.max_calls)),
            max_calls: config.max_calls,
            max_calls_per_connection: config.max_calls_per_connection,
            max_request_bytes: config.max_request_bytes_in_flight as u64,
            max_receive_bytes: config.max_receive_bytes as u64,
            held_bytes: AtomicU64::new(0),
            metrics,
            auditor,
            traces,
        }))
    }
}

impl<S> Layer<S> for Door {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, rules: Arc::clone(&self.0) }
    }
}

/// A service behind the door.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (method, role) = called(request.uri().path());
        let begun = Instant::now();
        let metrics = self.rules.metrics.clone();
        let held = metrics.call_begins(method);
        let span = self.rules.traces.as_ref().map(|traces| traces.call(method, request.headers()));
        match self.rules.admit(&request, role) {
            Err(error) => {
                if let CallError::Overloaded { limit, .. } = error {
                    metrics.shed(limit);
                }
                if let CallError::Unauthenticated(_) | CallError::NotAllowed { .. } = error {
                    let peer = request.extensions().get::<ConnectionInfo>().and_then(|info| info.peer);
                    tracing::warn!(?peer, method, %error, "a call was refused");
                }
                let refusal = status(&error);
                metrics.call_ends(method, name(refusal.code()), begun.elapsed());
                if let Some(span) = span {
                    span.end(name(refusal.code()), 0);
                }
                drop(held);
                Box::pin(std::future::ready(Ok(refusal.into_http())))
            }
            Ok(Admitted { caller, places }) => {
                let (mut parts, body) = request.into_parts();
                let peer = parts.extensions.get::<ConnectionInfo>().and_then(|info| info.peer);
                let auditor = self.rules.auditor.clone().filter(|_| is_audited(method));
                let audit = auditor.map(|auditor| Audited {
                    auditor,
                    caller: caller.name.clone(),
                    peer,
                    note: caller.note.clone(),
                });
                let span = span.map(|span| (span, caller.note.clone()));
                parts.extensions.insert(caller);
                let bytes = Arc::new(HeldBytes { rules: Arc::clone(&self.rules), bytes: AtomicU64::new(0) });
                let body = Body::new(Metered { body, bytes: Arc::clone(&bytes) });
                let answer = self.inner.call(Request::from_parts(parts, body));
                let mut under_way = UnderWay {
                    metrics,
                    method,
                    begun,
                    code: None,
                    audit,
                    span,
                    _places: places,
                    _held: held,
                    _bytes: bytes,
                };
                Box::pin(async move {
                    let (parts, body) = answer.await?.into_parts();
                    under_way.code = code_in(&parts.headers);
                    Ok(Response::from_parts(parts, Body::new(Watched { body, under_way })))
                })
            }
        }
    }
}

/// A call that may go on.
struct Admitted {
    caller: Caller,
    /// Its places among those under way.
    places: Vec<OwnedSemaphorePermit>,
}

impl Rules {
    fn admit(&self, request: &Request<Body>, role: Option<Role>) -> Result<Admitted, CallError> {
        let mut places = Vec::with_capacity(2);
        let full = |limit, most| CallError::Overloaded { limit, most };
        if let Some(connection) = request.extensions().get::<ConnectionInfo>() {
            let place = connection.calls.clone().try_acquire_owned();
            let most = self.max_calls_per_connection;
            places.push(place.map_err(|_| full("max_calls_per_connection", most))?);
        }
        let Some(role) = role else {
            return Ok(Admitted { caller: Caller::anybody(), places });
        };
        let place = self.calls.clone().try_acquire_owned();
        places.push(place.map_err(|_| full("max_calls", self.max_calls))?);
        if self.held_bytes.load(Ordering::Relaxed) >= self.max_request_bytes {
            let most = usize::try_from(self.max_request_bytes).unwrap_or(usize::MAX);
            return Err(full("max_request_bytes_in_flight", most));
        }
        if self.auditor.as_ref().is_some_and(Auditor::is_full) {
            // What cannot be kept is not done.
            return Err(full("audit_queue", QUEUE));
        }
        let caller = match &self.tokens {
            None => Caller::anybody(),
            Some(tokens) => known(request.headers(), &tokens.get())?,
        };
        if caller.role < role {
            return Err(CallError::NotAllowed { has: caller.role, needs: role });
        }
        Ok(Admitted { caller, places })
    }
}

/// Who brings the token that stands in the headers.
fn known(headers: &HeaderMap, tokens: &Tokens) -> Result<Caller, CallError> {
    const NONE: &str = "the call brings no token; send the header `authorization: Bearer TOKEN`";
    const OTHER: &str = "the token is none that the server knows, or it has expired";
    let mut given = headers.get_all(http::header::AUTHORIZATION).iter();
    let (Some(header), None) = (given.next(), given.next()) else {
        return Err(CallError::Unauthenticated(NONE));
    };
    let text = header.to_str().map_err(|_| CallError::Unauthenticated(OTHER))?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(CallError::Unauthenticated(NONE)),
    };
    tokens.caller(token, Timestamp::now()).ok_or(CallError::Unauthenticated(OTHER))
}

/// The bytes of a request that are counted as held: until the call ends, and no
/// more than one message may have, since a stream's are dealt with one by one.
struct HeldBytes {
    rules: Arc<Rules>,
    bytes: AtomicU64,
}

impl HeldBytes {
    /// Counts some more; says whether there is room for them.
    fn add(&self, more: u64) -> bool {
        let before = self.bytes.load(Ordering::Relaxed);
        let after = (before + more).min(self.rules.max_receive_bytes);
        self.bytes.store(after, Ordering::Relaxed);
        let all = self.rules.held_bytes.fetch_add(after - before, Ordering::Relaxed) + (after - before);
        self.rules.metrics.request_bytes(all);
        all <= self.rules.max_request_bytes
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let before = self.rules.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.rules.metrics.request_bytes(before.saturating_sub(bytes));
    }
}

/// The body of a request, counted.
struct Metered {
    body: Body,
    bytes: Arc<HeldBytes>,
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && !self.bytes.add(data.len() as u64)
        {
            let limit = "max_request_bytes_in_flight";
            let rules = &self.bytes.rules;
            rules.metrics.shed(limit);
            let most = usize::try_from(rules.max_request_bytes).unwrap_or(usize::MAX);
            return Poll::Ready(Some(Err(status(&CallError::Overloaded { limit, most }))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the audit is told of a call.
struct Audited {
    auditor: Auditor,
    /// The name of the token.
    caller: Arc<str>,
    peer: Option<SocketAddr>,
    /// What the call noted of itself.
    note: Note,
}

/// A call until its answer has ended, or the client is gone.
struct UnderWay {
    metrics: Metrics,
    method: &'static str,
    begun: Instant,
    /// The code of its answer, once that is known.
    code: Option<&'static str>,
    /// What the audit is told in the end; `None`: nothing.
    audit: Option<Audited>,
    /// Its span, and what it noted of itself.
    span: Option<(CallSpan, Note)>,
    _places: Vec<OwnedSemaphorePermit>,
    _held: Held,
    _bytes: Arc<HeldBytes>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // An answer that never came to its end: the client went away.
        let code = self.code.unwrap_or(name(Code::Cancelled));
        self.metrics.call_ends(self.method, code, self.begun.elapsed());
        if let Some((span, note)) = self.span.take() {
            span.end(code, note.written());
        }
        if let Some(Audited { auditor, caller, peer, note }) = self.audit.take() {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
            auditor.tell(Ended { caller, peer, method: self.method, code, note });
        }
    }
}

/// The body of an answer, which ends the call.
struct Watched {
    body: Body,
    under_way: UnderWay,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code_in) {
                    self.under_way.code = Some(code);
                }
            }
            Some(Err(status)) => self.under_way.code = Some(name(status.code())),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The code of an answer, where headers or trailers give it.
fn code_in(headers: &HeaderMap) -> Option<&'static str> {
    let code = headers.get("grpc-status")?;
    Some(name(Code::from_bytes(code.as_bytes())))
}

/// A code by the name that the protocol gives it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// A method that nobody gave a role would be open to whoever may read.
    #[test]
    fn every_method_of_the_contract_has_its_role() {
        let set = FileDescriptorSet::decode(kinfold_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut methods = 0;
        for file in set.file.iter().filter(|file| file.package() == "kinfold.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/kinfold.v1.{}/{}", service.name(), method.name());
                    assert_ne!(called(&path).0, "other", "{path} has no role");
                    methods += 1;
                }
            }
        }
        assert_eq!(methods + 3, METHODS.len());
        assert_eq!(called("/grpc.health.v1.Health/Check"), (HEALTH, None));
        assert_eq!(called("/nothing/of/ours"), ("other", Some(Role::Read)));
        let compact = called("/kinfold.v1.AdminService/Compact");
        assert_eq!(compact, ("AdminService/Compact", Some(Role::Admin)));
    }
}

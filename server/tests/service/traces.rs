//! Spans, as a collector gets them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kinfold_proto::v1;
use kinfold_server::ServeConfig;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::harness::{Server, by, seen};

/// A collector that hands on what it gets.
struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (SocketAddr, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (got, spans) = mpsc::unbounded_channel();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Collector(got)))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    (address, spans)
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<Value> {
    let found = attributes.iter().find(|it| it.key == name)?;
    found.value.clone().and_then(|AnyValue { value }| value)
}

fn text(of: &str) -> Option<Value> {
    Some(Value::StringValue(of.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_leaves_a_span_without_values() {
    let (address, mut got) = collector().await;
    let config = ServeConfig {
        otlp_endpoint: Some(format!("http://{address}")),
        otlp_service_name: "shop".into(),
        ..Default::default()
    };
    let mut server = Server::with(config).await;
    let observations = vec![seen("crm", &["email:ann@x.de", "device:d1"])];
    let request = v1::ObserveRequest { observations, ..Default::default() };
    server.ingest().observe(request).await.unwrap();
    let mut request =
        Request::new(v1::ResolvePersonRequest { person: Some(by("email:bob@x.de")), ..Default::default() });
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    server.lookup().resolve_person(request).await.unwrap_err();
    // What waits is sent at the end.
    server.stop().await.unwrap();
    let mut spans: Vec<Span> = Vec::new();
    while let Ok(request) = got.try_recv() {
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap().attributes;
            assert_eq!(attribute(&resource, "service.name"), text("shop"));
            spans.extend(of_resource.scope_spans.into_iter().flat_map(|it| it.spans));
        }
    }
    let named =
        |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{spans:?}"));
    let written = named("IngestService/Observe");
    assert_eq!(attribute(&written.attributes, "rpc.response.status_code"), text("OK"));
    assert_eq!(attribute(&written.attributes, "kinfold.sequence"), Some(Value::IntValue(1)));
    assert!(written.parent_span_id.is_empty() && written.end_time_unix_nano > written.start_time_unix_nano);
    let asked = named("LookupService/ResolvePerson");
    assert_eq!(attribute(&asked.attributes, "rpc.response.status_code"), text("NOT_FOUND"));
    assert_eq!(attribute(&asked.attributes, "kinfold.sequence"), None);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&asked.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&asked.parent_span_id), "b7ad6b7169203331");
    let all = format!("{spans:?}");
    assert!(!all.contains("x.de") && !all.contains("d1"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_calls_leaves_spans_and_the_callers_own_traces_do() {
    let (address, mut got) = collector().await;
    let config = ServeConfig {
        otlp_endpoint: Some(format!("http://{address}")),
        otlp_sampling_ratio: 0.0,
        ..Default::default()
    };
    let mut server = Server::with(config).await;
    for sampled in ["00", "01"] {
        server.admin().get_stats(v1::GetStatsRequest::default()).await.unwrap();
        let mut request = Request::new(v1::GetSchemaRequest::default());
        let parent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{sampled}");
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        server.admin().get_schema(request).await.unwrap();
    }
    server.stop().await.unwrap();
    let mut names = Vec::new();
    while let Ok(request) = got.try_recv() {
        let scopes = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
        names.extend(scopes.flat_map(|it| it.spans).map(|span| span.name));
    }
    assert_eq!(names, ["AdminService/GetSchema"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_collector_holds_nobody_up() {
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (silent_address, nobody_address) = (silent.local_addr().unwrap(), nobody.local_addr().unwrap());
    drop(nobody);
    for address in [silent_address, nobody_address] {
        let otlp_endpoint = Some(format!("http://{address}"));
        let mut server = Server::with(ServeConfig { otlp_endpoint, ..Default::default() }).await;
        // More than a group of spans.
        for _ in 0..1_000 {
            server.admin().get_schema(v1::GetSchemaRequest::default()).await.unwrap();
        }
        let begun = Instant::now();
        server.stop().await.unwrap();
        // No longer than the end waits for the last spans, and what else an end takes.
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

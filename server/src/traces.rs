//! Traces: one span a call, sent to a collector of OpenTelemetry in the background.
//!
//! A span holds the method, the code of the answer and the sequence number of a
//! write. No value, no identifier and no name of a caller is in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanExporter,
};
use tonic::transport::{ClientTlsConfig, Endpoint};

use crate::config::ServeConfig;

/// How long a connection to the collector may take to be made, and a group of spans to be sent.
const CONNECT: Duration = Duration::from_secs(5);
const SEND: Duration = Duration::from_secs(10);

/// How many spans wait to be sent; more are dropped, so that nobody waits for a collector.
const QUEUE: usize = 8_192;

/// How long the end of the server waits for the last spans to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// Where spans go. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: Arc<TraceContextPropagator>,
}

impl Traces {
    /// Begins to send spans, if the configuration says where to. Whether anybody
    /// answers there is not looked at: a collector may come and go.
    pub(crate) fn begin(config: &ServeConfig) -> anyhow::Result<Option<Self>> {
        let Some(address) = &config.otlp_endpoint else { return Ok(None) };
        let endpoint = endpoint(address)
            .map_err(|why| anyhow::anyhow!("`otlp_endpoint` is `{address}`: {why}"))?
            .connect_timeout(CONNECT)
            .timeout(SEND);
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_channel(endpoint.connect_lazy())
            .with_timeout(SEND)
            .build()?;
        let batches = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
        let exporter = Told { exporter, away: AtomicBool::new(false) };
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder_empty()
            .with_service_name(config.otlp_service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let ratio = Sampler::TraceIdRatioBased(config.otlp_sampling_ratio);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            // Whoever calls decides for its own traces.
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("kinfold");
        tracing::info!(collector = %address, "traces are sent");
        Ok(Some(Self { provider, tracer, propagator: Arc::new(TraceContextPropagator::new()) }))
    }

    /// A call begins, as a part of the trace that its headers name, if they name one.
    pub(crate) fn call(&self, method: &'static str, headers: &HeaderMap) -> CallSpan {
        let caller = self.propagator.extract_with_context(&Context::new(), &Headers(headers));
        let builder = self
            .tracer
            .span_builder(method)
            .with_kind(SpanKind::Server)
            .with_start_time(SystemTime::now())
            .with_attributes([KeyValue::new("rpc.system", "grpc"), KeyValue::new("rpc.method", method)]);
        CallSpan(self.tracer.build_with_context(builder, &caller))
    }

    /// Sends what waits, and ends. It takes no longer than [`FLUSH`], whatever the collector does.
    pub(crate) async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH));
        if let Ok(Err(error)) = ended.await {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Where a collector is: `http://HOST:PORT` or `https://HOST:PORT`; the error says what is wrong.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, String> {
    let wrong = |error: tonic::transport::Error| error.to_string();
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(wrong)?;
    match endpoint.uri().scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(wrong),
        Some(_) | None => Err("expected `http://HOST:PORT` or `https://HOST:PORT`".to_owned()),
    }
}

/// The span of a call that is under way.
pub(crate) struct CallSpan(Span);

impl CallSpan {
    /// The call was answered with a code. `sequence` is that of the write it made; 0 for none.
    pub(crate) fn end(mut self, code: &'static str, sequence: u64) {
        self.0.set_attribute(KeyValue::new("rpc.response.status_code", code));
        if sequence > 0 {
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            self.0.set_attribute(KeyValue::new("kinfold.sequence", sequence));
        }
        // What the caller got wrong is no fault of the server.
        if matches!(
            code,
            "UNKNOWN" | "DEADLINE_EXCEEDED" | "UNIMPLEMENTED" | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS"
        ) {
            self.0.set_status(Status::error(code));
        }
        self.0.end();
    }
}

/// Headers, as the trace that they name is read from them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Says in the log when the collector goes away and when it is back.
#[derive(Debug)]
struct Told {
    exporter: opentelemetry_otlp::SpanExporter,
    away: AtomicBool,
}

impl SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let was_away = self.away.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was_away => {
                tracing::warn!(%error, "the collector of traces takes nothing; spans are lost")
            }
            Ok(()) if was_away => tracing::info!("the collector of traces is back"),
            Ok(()) | Err(_) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_collector_is_named_by_its_address() {
        for address in ["http://127.0.0.1:4317", "https://collector.example:4317"] {
            assert!(endpoint(address).is_ok(), "{address}");
        }
        for address in ["", "127.0.0.1:4317", "grpc://a:1", "http://"] {
            assert!(endpoint(address).is_err(), "{address}");
        }
    }
}

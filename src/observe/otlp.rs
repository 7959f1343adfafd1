//! Sends ended spans to a collector: OTLP over HTTP, protobuf, in batches by a thread of its own. A collector that is away costs spans
//! and nothing else.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _};

use super::trace::{Side, Span};
use crate::model::trace::TraceContext;

/// Most time one batch may take.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);

static COLLECTOR: OnceLock<BatchSpanProcessor> = OnceLock::new();

/// Spans go to this collector from here on. A second call does nothing.
///
/// # Errors
/// When the endpoint is no URL.
pub(super) fn init(endpoint: &str, deployment: &str) -> Result<(), String> {
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_endpoint(url).with_timeout(EXPORT_LIMIT).build();
    let mut processor = BatchSpanProcessor::builder(exporter.map_err(|e| e.to_string())?).build();
    // The executables are called what they are: valence-api, valence-worker …
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(std::path::Path::file_stem).and_then(std::ffi::OsStr::to_str);
    let said = [KeyValue::new("deployment.environment.name", deployment.to_owned())];
    processor.set_resource(
        &Resource::builder().with_service_name(program.unwrap_or("valence").to_owned()).with_attributes(said).build(),
    );
    let _already_set = COLLECTOR.set(processor);
    Ok(())
}

/// Sends what has not been sent yet.
pub(super) fn flush() {
    if let Some(Err(error)) = COLLECTOR.get().map(|processor| processor.force_flush()) {
        tracing::warn!(%error, "the last spans were not sent");
    }
}

pub(super) fn send(span: Span, name: impl FnOnce() -> String, words: &[(&'static str, &str)], error: Option<&str>) {
    let Some(collector) = COLLECTOR.get() else { return };
    let mut links = SpanLinks::default();
    links.links.extend(span.follows.map(|other| Link::new(remote(other), Vec::new(), 0)));
    collector.on_end(SpanData {
        span_context: remote(span.context),
        parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.span_id)),
        parent_span_is_remote: span.parent.is_some() && span.side != Side::Client,
        span_kind: match span.side {
            Side::Server => SpanKind::Server,
            Side::Client => SpanKind::Client,
            Side::Consumer => SpanKind::Consumer,
        },
        name: name().into(),
        start_time: span.began,
        end_time: SystemTime::now(),
        attributes: words.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status: error.map_or(Status::Unset, |why| Status::error(why.to_owned())),
        instrumentation_scope: InstrumentationScope::builder("valence").build(),
    });
}

fn remote(context: TraceContext) -> SpanContext {
    let (trace, span) = (TraceId::from(context.trace_id), SpanId::from(context.span_id));
    let flags = if context.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    SpanContext::new(trace, span, flags, true, TraceState::NONE)
}

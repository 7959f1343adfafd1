//! `/console/`: the web console. Its files are built by `make console` and are part of the executable, so no path of a request ever meets a
//! file system. A server built without them says how to build them.

use rust_embed::{EmbeddedFile, RustEmbed};
use warp::http::header::{self, HeaderName};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::{Reply, Response};

use super::answer::{self, Answer, set_header};
use super::auth::Role;
use super::call::Call;
use super::resource::Resource;

/// What `make console` built. With `debug-embed`, debug builds embed as well.
#[derive(RustEmbed)]
#[folder = "console/dist"]
#[allow_missing = true]
struct Files;

/// Nothing from elsewhere, nothing inline, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The names of files in there hold a hash of what is in them.
const HASHED: &str = "assets/";

const NOT_BUILT: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Valence</title></head>
<body>
<h1>Valence</h1>
<p>This build of the REST server has no web console in it. Build it with <code>make console</code> and build the server again.</p>
<p>Until then: <a href="/v1/queues">queues</a>, <a href="/v1/tasks">tasks</a>, <a href="/v1/workers">workers</a>,
<a href="/openapi.json">the API's description</a>, <a href="/readyz">readiness</a>.</p>
</body>
</html>
"#;

/// The routes. Everybody may load the files: what the console shows, it asks the API for, with the caller's token.
pub(crate) fn resource() -> Resource {
    Resource::at("/console/", "operation")
        .get("", "The web console", page)
        .role(Role::Anyone)
        .media("text/html")
        .get("{*path}", "The web console's files", file)
        .role(Role::Anyone)
        .hidden()
}

async fn page(call: Call) -> Answer {
    Ok(match Files::get("index.html") {
        Some(index) => reply(&call, "index.html", index),
        None => guarded(warp::reply::html(NOT_BUILT).into_response()),
    })
}

async fn file(call: Call) -> Answer {
    let path = call.param(0);
    let file = Files::get(path).ok_or_else(answer::no_such_path)?;
    Ok(reply(&call, path, file))
}

fn reply(call: &Call, path: &str, file: EmbeddedFile) -> Response {
    let tag: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let known = call.header("if-none-match").is_some_and(|known| known.contains(&tag));
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { file.data.into_owned().into_response() };
    set_header(&mut response, header::CONTENT_TYPE, media(path));
    set_header(&mut response, header::ETAG, &tag);
    let kept = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    set_header(&mut response, header::CACHE_CONTROL, kept);
    guarded(response)
}

fn guarded(mut response: Response) -> Response {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert::<HeaderName>(name, HeaderValue::from_static(value));
    }
    response
}

/// Media type by what the build makes.
fn media(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

//! `/console/`: where the web console will be. Until it is built in, a page that says so.

use warp::reply::Reply;

use super::answer::{Answer, set_header};
use super::auth::Role;
use super::call::Call;
use super::resource::Resource;

const PAGE: &str = r#"<!doctype html>
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

/// The route.
pub(crate) fn resource() -> Resource {
    Resource::at("/console/", "operation").get("", "The web console", page).role(Role::Anyone).media("text/html")
}

async fn page(_call: Call) -> Answer {
    let mut response = warp::reply::html(PAGE).into_response();
    set_header(
        &mut response,
        warp::http::header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; frame-ancestors 'none'",
    );
    Ok(response)
}

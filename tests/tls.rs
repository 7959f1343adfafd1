//! The API behind TLS, with client certificates and JWTs: who is let in, as whom, and what a change of files does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::api::{TestApi, five_keys, read};
use support::certs::{Authority, Issued, tokens_file};
use support::wait;
use tokio::io::AsyncReadExt;

async fn tls_api(ca: &Authority, server: &Issued, change: impl FnOnce(&mut valence::config::Config)) -> TestApi {
    let (client_ca, server) = (ca.file(), server.clone());
    TestApi::start_with(|c| {
        c.api.tls.cert_file = Some(server.cert);
        c.api.tls.key_file = Some(server.key);
        c.api.tls.client_ca_file = Some(client_ca);
        change(c);
    })
    .await
}

fn https(ca: &Authority, identity: Option<&Issued>) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(ca.pem().as_bytes()).unwrap();
    let mut client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    if let Some(issued) = identity {
        let pem = [std::fs::read(&issued.cert).unwrap(), std::fs::read(&issued.key).unwrap()].concat();
        client = client.identity(reqwest::Identity::from_pem(&pem).unwrap());
    }
    client.build().unwrap()
}

#[tokio::test]
async fn a_client_certificate_is_its_subject_and_a_bearer_token_comes_before_it() {
    let ca = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let tokens = tokens_file(dir.path(), &["reader"], &[("CN=rack,O=Test", "admin")]);
    let api = tls_api(&ca, &ca.server(&["127.0.0.1"]), |c| c.api.tokens_file = Some(tokens)).await;
    let url = format!("https://{}/v1/queues/compute/pause", api.address);
    let (known, stranger) = (ca.client("rack"), ca.client("stranger"));
    let other = Authority::new();
    let pause = async |client: &reqwest::Client, token: Option<&str>| {
        let request = client.post(&url);
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.map(|r| r.status().as_u16()).map_err(|e| e.is_connect() || e.is_request())
    };
    assert_eq!(pause(&https(&ca, Some(&known)), None).await, Ok(200));
    assert_eq!(pause(&https(&ca, Some(&known)), Some("reader")).await, Ok(403));
    assert_eq!(pause(&https(&ca, Some(&known)), Some("wrong")).await, Ok(401));
    assert_eq!(pause(&https(&ca, Some(&stranger)), None).await, Ok(401));
    assert_eq!(pause(&https(&ca, None), None).await, Ok(401));
    // A certificate of somebody else's authority ends the handshake; plain http is no answer at all.
    assert_eq!(pause(&https(&ca, Some(&other.client("rack"))), None).await, Err(true));
    assert!(api.client.get(format!("http://{}/healthz", api.address)).send().await.is_err());
    let answer = https(&ca, None).get(format!("https://{}/v1/version", api.address)).send().await.unwrap();
    assert!(answer.headers().contains_key("strict-transport-security"));
    let (status, lines) = {
        let answer = https(&ca, Some(&known)).get(format!("https://{}/v1/audit?outcome=done", api.address));
        wait::until("the pause is in the audit log", async || {
            let (status, body) = read(answer.try_clone().unwrap().send().await.unwrap()).await;
            if body["audit"][0].is_object() { Ok((status, body)) } else { Err(body) }
        })
        .await
    };
    assert_eq!(status, StatusCode::OK);
    assert_eq!(lines["audit"][0]["actor"], "cert-admin");
    assert_eq!(lines["audit"][0]["from"], "127.0.0.1");
}

#[tokio::test]
async fn a_new_certificate_and_new_tokens_count_without_a_restart_and_a_broken_file_changes_nothing() {
    let (ca, next) = (Authority::new(), Authority::new());
    let dir = tempfile::tempdir().unwrap();
    let tokens = tokens_file(dir.path(), &["reader"], &[]);
    let server = ca.server(&["127.0.0.1"]);
    let api = tls_api(&ca, &server, |c| c.api.tokens_file = Some(tokens.clone())).await;
    let url = format!("https://{}/v1/tasks", api.address);
    let get = async |ca: &Authority, token: &str| {
        let answer = https(ca, None).get(&url).bearer_auth(token).send().await;
        answer.map(|r| r.status().as_u16()).map_err(|e| e.to_string())
    };
    assert_eq!(get(&ca, "reader").await, Ok(200));
    std::fs::write(&tokens, "half a fi").unwrap();
    let fresh = next.server(&["127.0.0.1"]);
    std::fs::copy(&fresh.key, &server.key).unwrap();
    std::fs::copy(&fresh.cert, &server.cert).unwrap();
    wait::until("the new certificate is shown", async || get(&next, "reader").await).await;
    assert!(get(&ca, "reader").await.is_err());
    tokens_file(dir.path(), &["operator"], &[]);
    wait::until("the new token counts", async || (get(&next, "operator").await == Ok(200)).then_some(())).await;
    assert_eq!(get(&next, "reader").await, Ok(401));
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_ended() {
    let ca = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let tokens = tokens_file(dir.path(), &["reader"], &[]);
    let api = tls_api(&ca, &ca.server(&["127.0.0.1"]), |c| {
        c.api.tokens_file = Some(tokens);
        c.api.tls.handshake_timeout = jiff::SignedDuration::from_millis(300);
    })
    .await;
    let mut silent = tokio::net::TcpStream::connect(api.address).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut [0; 8])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

#[tokio::test]
async fn the_command_speaks_https_to_an_own_authority_with_a_certificate() {
    use clap::Parser as _;
    let ca = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let tokens = tokens_file(dir.path(), &["reader"], &[("CN=rack,O=Test", "admin")]);
    let api = tls_api(&ca, &ca.server(&["127.0.0.1"]), |c| c.api.tokens_file = Some(tokens)).await;
    let client = ca.client("rack");
    let url = format!("https://{}", api.address);
    let (ca_file, cert, key) = (ca.file(), client.cert.display().to_string(), client.key.display().to_string());
    let run = async |args: &[&str]| {
        let cli = valence::ctl::cli::Cli::parse_from([&["valence", "--api-url", &url], args].concat());
        let mut out = Vec::new();
        let done = valence::ctl::run(cli, &mut out, false).await;
        done.map(|()| String::from_utf8(out).unwrap()).map_err(|e| e.exit_code())
    };
    let with = ["--ca", ca_file.to_str().unwrap(), "--client-cert", &cert, "--client-key", &key];
    run(&[&with[..], &["queue", "pause", "compute"]].concat()).await.unwrap();
    let seen = wait::until("the audit log shows it", async || {
        let text = run(&[&with[..], &["audit", "--action", "POST"]].concat()).await.unwrap();
        if text.contains("/v1/queues/compute/pause") { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(seen.contains("cert-admin"), "{seen}");
    assert_eq!(run(&["queue", "list"]).await, Err(3), "an authority nobody has named is not believed");
    assert_eq!(run(&["--ca", ca_file.to_str().unwrap(), "queue", "list"]).await, Err(4));
}

// ---- JWT

/// An identity provider's key.
struct Signer {
    kid: String,
    pkcs8: Vec<u8>,
    x: String,
}

impl Signer {
    fn new(kid: &str) -> Self {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
        Self { kid: kid.into(), pkcs8, x: B64.encode(pair.public_key().as_ref()) }
    }

    fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.x})
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &EncodingKey::from_ed_der(&self.pkcs8)).unwrap()
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({
        "iss": "https://idp.example", "aud": "valence", "sub": "alice", "exp": now() + 300, "role": "operator",
    });
    change(&mut claims);
    claims
}

async fn jwt_api(jwks: &str) -> TestApi {
    TestApi::start_with(|c| {
        c.api.jwt.jwks = Some(jwks.to_owned());
        c.api.jwt.issuer = Some("https://idp.example".into());
        c.api.jwt.audience = Some("valence".into());
        c.api.jwt.allow_cidrs = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await
}

fn key_file(dir: &Path, keys: &[Value]) -> String {
    let file = dir.join("jwks.json");
    std::fs::write(&file, json!({"keys": keys}).to_string()).unwrap();
    file.display().to_string()
}

async fn post(api: &TestApi, token: &str) -> (StatusCode, Value) {
    let request = api.request(Method::POST, "/v1/tasks").bearer_auth(token).json(&json!({"kind": "noop"}));
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn only_a_token_that_is_sound_in_every_part_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::new("k1");
    let secret = json!({"kty": "oct", "kid": "hmac", "k": B64.encode(b"public or secret")});
    let api = jwt_api(&key_file(dir.path(), &[signer.jwk(), secret])).await;
    let (status, task) = post(&api, &signer.sign(&claims(|_| {}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{task}");
    assert_eq!(post(&api, &signer.sign(&claims(|c| c["aud"] = json!(["x", "valence"])))).await.0, StatusCode::ACCEPTED);
    assert_eq!(post(&api, &signer.sign(&claims(|c| c["role"] = json!("reader")))).await.0, StatusCode::FORBIDDEN);

    let good = signer.sign(&claims(|_| {}));
    let parts: Vec<&str> = good.split('.').collect();
    let forged_header = |header: Value| B64.encode(header.to_string());
    let stranger = Signer { kid: "k1".into(), ..Signer::new("x") };
    let hmac = |kid: &str, key: &[u8]| {
        let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims(|_| {}), &EncodingKey::from_secret(key)).unwrap()
    };
    let other_body = B64.encode(claims(|c| c["role"] = json!("admin")).to_string());
    let mut bad = vec![
        ("another's key of the same id", "signature is not of the key", stranger.sign(&claims(|_| {}))),
        ("another's that is over", "signature is not of the key", stranger.sign(&claims(|c| c["exp"] = json!(1)))),
        (
            "an unknown key",
            "names a key that the identity provider's set does not have",
            Signer::new("k2").sign(&claims(|_| {})),
        ),
        ("none", "cannot be read", format!("{}.{}.", forged_header(json!({"alg": "none", "typ": "JWT"})), parts[1])),
        (
            "none with the signature",
            "cannot be read",
            format!("{}.{}.{}", forged_header(json!({"alg": "none"})), parts[1], parts[2]),
        ),
        ("HMAC with the public key", "algorithm HS256 is not allowed", hmac("k1", signer.x.as_bytes())),
        ("HMAC with a key of the set", "algorithm HS256 is not allowed", hmac("hmac", b"public or secret")),
        ("another body", "signature is not of the key", format!("{}.{other_body}.{}", parts[0], parts[2])),
        ("no signature", "signature is not of the key", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", "a known bearer token is wanted", format!("{}.{}", parts[0], parts[1])),
        ("a long one", "a known bearer token is wanted", "x".repeat(20_000)),
    ];
    for (what, why, change) in [
        (
            "over",
            "has expired: exp is 2",
            Box::new(|c: &mut Value| c["exp"] = json!(now() - 60)) as Box<dyn FnOnce(&mut Value)>,
        ),
        ("not yet", "not valid yet: nbf is 2", Box::new(|c: &mut Value| c["nbf"] = json!(now() + 120))),
        ("no end", "has no exp", Box::new(|c: &mut Value| drop(c.as_object_mut().unwrap().remove("exp")))),
        (
            "another issuer",
            "iss must be https://idp.example",
            Box::new(|c: &mut Value| c["iss"] = json!("https://evil.example")),
        ),
        ("for somebody else", "aud must hold valence", Box::new(|c: &mut Value| c["aud"] = json!("other"))),
        ("for nobody", "has no aud", Box::new(|c: &mut Value| drop(c.as_object_mut().unwrap().remove("aud")))),
        ("no subject", "has no sub", Box::new(|c: &mut Value| drop(c.as_object_mut().unwrap().remove("sub")))),
        ("a subject of two lines", "sub cannot be a caller's name", Box::new(|c: &mut Value| c["sub"] = json!("a\nb"))),
        ("no role", "role holds none that Valence knows", Box::new(|c: &mut Value| c["role"] = json!("root"))),
    ] {
        bad.push((what, why, signer.sign(&claims(change))));
    }
    for (what, why, token) in bad {
        let (status, body) = post(&api, &token).await;
        assert!(body["detail"].as_str().unwrap().contains(why), "{what}: {body}");
        let repeated = token.split('.').any(|part| !part.is_empty() && body.to_string().contains(part));
        assert!(!repeated, "{what}: {body}");
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}: {body}");
        five_keys(status, &body);
    }
    let subject = wait::until("the task is in the audit log", async || {
        let token = signer.sign(&claims(|c| c["role"] = json!("admin")));
        let request = api.request(Method::GET, "/v1/audit?outcome=done").bearer_auth(token);
        let body = read(request.send().await.unwrap()).await.1;
        body["audit"][0]["actor"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(subject, "jwt:alice");
}

/// Serves a set of keys, and counts who asks.
struct Provider {
    url: String,
    asked: Arc<AtomicUsize>,
    keys: Arc<std::sync::Mutex<Value>>,
}

impl Provider {
    async fn start(keys: &[Value]) -> Self {
        use warp::Filter;
        let asked = Arc::new(AtomicUsize::new(0));
        let keys = Arc::new(std::sync::Mutex::new(json!({"keys": keys})));
        let (count, shown) = (Arc::clone(&asked), Arc::clone(&keys));
        let answer = warp::any().map(move || {
            count.fetch_add(1, Ordering::SeqCst);
            warp::reply::json(&*shown.lock().unwrap())
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(warp::serve(answer).incoming(listener).run());
        Self { url, asked, keys }
    }
}

#[tokio::test]
async fn keys_come_from_a_url_and_an_unknown_one_has_it_asked_once_and_not_for_ever() {
    let (first, second) = (Signer::new("k1"), Signer::new("k2"));
    let provider = Provider::start(&[first.jwk()]).await;
    let api = jwt_api(&provider.url).await;
    let good = first.sign(&claims(|_| {}));
    wait::until("the keys are asked for", async || provider.asked.load(Ordering::SeqCst) == 1).await;
    wait::until("the keys are there", async || (post(&api, &good).await.0 == StatusCode::ACCEPTED).then_some(())).await;
    let before = provider.asked.load(Ordering::SeqCst);
    *provider.keys.lock().unwrap() = json!({"keys": [first.jwk(), second.jwk()]});
    assert_eq!(post(&api, &second.sign(&claims(|_| {}))).await.0, StatusCode::ACCEPTED, "the new key is fetched");
    assert_eq!(provider.asked.load(Ordering::SeqCst), before + 1);
    for n in 0..20 {
        let unknown = Signer::new(&format!("x{n}")).sign(&claims(|_| {}));
        assert_eq!(post(&api, &unknown).await.0, StatusCode::UNAUTHORIZED);
    }
    assert!(provider.asked.load(Ordering::SeqCst) <= before + 2, "strangers have the provider asked again and again");
}

#[tokio::test]
async fn a_url_of_keys_that_is_not_allowed_keeps_the_api_from_starting() {
    let redis = support::redis::TestRedis::start().await;
    for url in ["http://127.0.0.1:1/keys", "https://169.254.169.254/keys", "https://[::1]/keys", "ftp://h/keys"] {
        let mut config = valence::config::Config::default();
        config.api.jwt.jwks = Some(url.into());
        config.api.jwt.issuer = Some("i".into());
        config.api.jwt.audience = Some("a".into());
        let store = redis.store(&config).await;
        let listener = valence::api::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let shutdown = valence::shutdown::Shutdown::new();
        assert!(valence::api::spawn(config, store, &shutdown, listener).is_err(), "{url}");
    }
}

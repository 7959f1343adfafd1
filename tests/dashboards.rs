//! Dashboards, alerts and recording rules: sound by themselves, and each with data when a real Prometheus scrapes a deployment under load.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use promql_parser::parser::{Expr, VectorSelector, parse};
use serde_json::{Value, json};
use support::deployment::{Deployment, Shape, free_port};
use support::wait;

/// Families that only an accident, or hardware that sends events, fills: a quiet deployment has none of them.
const ACCIDENTS: [&str; 4] = [
    "valence_tasks_fenced_total",
    "valence_tasks_reclaimed_total",
    "valence_tasks_refused_total",
    "valence_events_received_total",
];

/// How long a picture's load lasts: as long as the time it shows.
const PICTURED: Duration = Duration::from_secs(80);

/// Units of Grafana that are used.
const UNITS: [&str; 8] = ["short", "s", "ops", "reqps", "bytes", "percentunit", "celsius", "watt"];

fn grafana() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana")
}

fn dashboards() -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = fs::read_dir(grafana().join("dashboards"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Panels that show something: all but rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    list(dashboard, "panels").iter().filter(|p| p["type"] != "row").collect()
}

fn rules(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(grafana().join(file)).unwrap();
    let file: Value = serde_yaml_ng::from_str(&text).unwrap();
    list(&file, "groups").iter().flat_map(|g| list(g, "rules").to_vec()).collect()
}

/// An expression as Grafana would send it.
fn filled(expr: &str) -> String {
    let all =
        [("$__rate_interval", "30s"), ("$__range", "80s"), ("$job", ".+"), ("$instance", ".+"), ("$topic", "compute")];
    all.iter().fold(expr.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// The expression and all that it is made of.
fn parts<'e>(expr: &'e Expr, found: &mut Vec<&'e Expr>) {
    found.push(expr);
    match expr {
        Expr::Aggregate(e) => {
            parts(&e.expr, found);
            if let Some(param) = &e.param {
                parts(param, found);
            }
        }
        Expr::Unary(e) => parts(&e.expr, found),
        Expr::Binary(e) => {
            parts(&e.lhs, found);
            parts(&e.rhs, found);
        }
        Expr::Paren(e) => parts(&e.expr, found),
        Expr::Subquery(e) => parts(&e.expr, found),
        Expr::Call(e) => e.args.args.iter().for_each(|arg| parts(arg, found)),
        _ => {}
    }
}

/// Every series that an expression reads, with its range in seconds when it has one, and the function right above it.
fn reads(text: &str) -> Vec<(VectorSelector, Option<u64>, &'static str)> {
    let expr = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut all = Vec::new();
    parts(&expr, &mut all);
    let mut found = Vec::new();
    for part in &all {
        match part {
            Expr::VectorSelector(v) => found.push((v.clone(), None, "")),
            Expr::Call(call) => {
                for arg in &call.args.args {
                    if let Expr::MatrixSelector(m) = arg.as_ref() {
                        found.push((m.vs.clone(), Some(m.range.as_secs()), call.func.name));
                    }
                }
            }
            _ => {}
        }
    }
    // A range outside of a function would have been missed.
    let ranges = all.iter().filter(|p| matches!(p, Expr::MatrixSelector(_))).count();
    assert_eq!(ranges, found.iter().filter(|(_, range, _)| range.is_some()).count(), "{text}");
    assert!(!found.is_empty(), "{text} reads nothing");
    found
}

fn name_of(selector: &VectorSelector) -> String {
    selector.name.clone().unwrap_or_default()
}

/// What is wrong with an expression, whoever asks it.
fn unsound(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (selector, range, function) in reads(text) {
        let name = name_of(&selector);
        let counter = ["_total", "_bucket", "_count", "_sum"].iter().any(|end| name.ends_with(end));
        let of_counters = matches!(function, "rate" | "increase" | "irate");
        if counter && !of_counters {
            wrong.push(format!("{name} is a counter: its rate is wanted"));
        }
        if of_counters && !counter {
            wrong.push(format!("{name} is no counter: {function} of it says nothing"));
        }
        if function == "irate" {
            wrong.push("irate leaves out what lies between the last two samples".to_owned());
        }
        // Two samples are needed, four make up for a scrape that failed.
        if range.is_some_and(|s| s < 30) {
            wrong.push(format!("{name}: the range is too short for the scrape interval"));
        }
    }
    let expr = parse(text).unwrap();
    let mut all = Vec::new();
    parts(&expr, &mut all);
    for part in all {
        let Expr::Call(call) = part else { continue };
        if call.func.name == "histogram_quantile" && !format!("{}", call.args.args[1]).contains("le") {
            wrong.push("a quantile needs the label le".to_owned());
        }
    }
    wrong
}

#[test]
fn there_are_four_dashboards_and_every_panel_says_what_it_shows() {
    let all = dashboards();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["valence-overview", "valence-podms", "valence-queues", "valence-topic"]);
    let mut wrong = Vec::new();
    for (name, dashboard) in &all {
        assert_eq!(dashboard["uid"], name.as_str());
        assert_eq!(dashboard["editable"], false, "{name}: it is provisioned");
        let variables = list(&dashboard["templating"], "list");
        let variable = |wanted: &str| variables.iter().find(|v| v["name"] == wanted);
        assert_eq!(variable("datasource").unwrap()["type"], "datasource", "{name}");
        for (word, metric) in [("job", "valence_build_info"), ("instance", "valence_build_info{job=~\"$job\"}")] {
            let v = variable(word).unwrap_or_else(|| panic!("{name} has no ${word}"));
            assert_eq!(v["query"]["query"], format!("label_values({metric}, {word})"), "{name}");
            assert_eq!((&v["allValue"], &v["multi"]), (&json!(".+"), &json!(true)), "{name}: ${word}");
        }
        for v in variables.iter().filter(|v| v["type"] == "query") {
            assert_eq!(v["datasource"]["uid"], "${datasource}", "{name}");
            assert_eq!(v["refresh"], 2, "{name}: values are read anew with the time range");
        }
        let (mut titles, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(dashboard) {
            let title = panel["title"].as_str().unwrap_or_default();
            let mut say = |what: &str| wrong.push(format!("{name}, {title:?}: {what}"));
            if title.is_empty() || !titles.insert(title) || !ids.insert(panel["id"].as_u64()) {
                say("its title and its id must be its own");
            }
            if panel["description"].as_str().unwrap_or_default().len() < 15 {
                say("it has no description");
            }
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
            if !UNITS.contains(&unit) {
                say("it has no unit");
            }
            if panel["datasource"]["uid"] != "${datasource}" {
                say("its data source is not the variable");
            }
            let accidental =
                list(panel, "targets").iter().all(|t| accident(&filled(t["expr"].as_str().unwrap_or("up"))));
            if accidental && !panel["fieldConfig"]["defaults"]["noValue"].is_string() {
                say("it is mostly empty, and does not say what that means");
            }
            if list(panel, "targets").is_empty() {
                say("it asks nothing");
            }
            for target in list(panel, "targets") {
                let expr = target["expr"].as_str().unwrap_or_default();
                if target["datasource"]["uid"] != "${datasource}" || target["legendFormat"].as_str().is_none() {
                    say("a target has no data source or no legend");
                }
                // Every range is the one that fits the scrape interval and the width of the panel, or all the time shown, which chooses lines.
                let known = expr.matches("[$__rate_interval]").count() + expr.matches("[$__range] @ end()").count();
                if expr.matches('[').count() != known {
                    say("a range is neither $__rate_interval nor all that is shown");
                }
                let text = filled(expr);
                unsound(&text).iter().for_each(|why| say(why));
                for (selector, _, _) in reads(&text) {
                    let has = |label: &str| selector.matchers.matchers.iter().any(|m| m.name == label);
                    if !has("job") || !has("instance") {
                        say("it does not keep to $job and $instance");
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn promtool(args: &[&str]) {
    let output = Command::new("promtool").args(args).current_dir(grafana()).output();
    let output = output.expect("promtool must be installed: make setup-test");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {args:?}: {said}");
}

#[test]
fn every_alert_fires_when_it_should_and_links_to_its_runbook() {
    promtool(&["check", "rules", "recording.yml", "alerts.yml"]);
    promtool(&["test", "rules", "alerts.test.yml"]);
    let tests = fs::read_to_string(grafana().join("alerts.test.yml")).unwrap();
    let tests: Value = serde_yaml_ng::from_str(&tests).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for alert in rules("alerts.yml") {
        let name = alert["alert"].as_str().unwrap();
        // Once with an alert to be seen, once without.
        let mut tried = [false, false];
        for case in list(&tests, "tests").iter().flat_map(|t| list(t, "alert_rule_test")) {
            if case["alertname"] == name {
                tried[usize::from(list(case, "exp_alerts").is_empty())] = true;
            }
        }
        assert_eq!(tried, [true, true], "{name} is tried in both ways in alerts.test.yml");
        let link = alert["annotations"]["runbook_url"].as_str().unwrap();
        let (file, anchor) = link.strip_prefix("docs/").unwrap().split_once('#').unwrap();
        let text = fs::read_to_string(docs.join(file)).unwrap();
        let heading = text.lines().find(|l| l.starts_with("### ") && l[4..].to_lowercase() == anchor);
        assert!(heading.is_some(), "{name}: {link} leads nowhere");
        assert!(!alert["annotations"]["summary"].as_str().unwrap().is_empty(), "{name}");
    }
    for rule in rules("alerts.yml").iter().chain(&rules("recording.yml")) {
        let expr = rule["expr"].as_str().unwrap();
        assert_eq!(unsound(expr), Vec::<String>::new(), "{expr}");
    }
}

#[test]
fn what_is_provisioned_is_there() {
    let read = |path: &str| -> Value {
        serde_yaml_ng::from_str(&fs::read_to_string(grafana().join("provisioning").join(path)).unwrap()).unwrap()
    };
    let source = &read("datasources/valence.yml")["datasources"][0];
    assert_eq!(source["type"], "prometheus");
    let scrape: Value =
        serde_yaml_ng::from_str(&fs::read_to_string(grafana().join("prometheus.yml")).unwrap()).unwrap();
    assert_eq!(source["jsonData"]["timeInterval"], scrape["global"]["scrape_interval"]);
    for (_, dashboard) in dashboards() {
        let current = &list(&dashboard["templating"], "list")[0]["current"]["value"];
        assert_eq!(current, &source["uid"]);
    }
    assert_eq!(read("dashboards/valence.yml")["providers"][0]["type"], "file");
}

/// A Prometheus of our own, ended on drop.
struct Prometheus {
    child: Child,
    url: String,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

impl Prometheus {
    /// With the shipped configuration: only addresses and intervals are those of this test.
    async fn start(targets: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shipped = fs::read_to_string(grafana().join("prometheus.yml")).unwrap();
        let mut config: Value = serde_yaml_ng::from_str(&shipped).unwrap();
        config["global"] = json!({"scrape_interval": "1s", "evaluation_interval": "1s"});
        for file in config["rule_files"].as_array_mut().unwrap() {
            *file = json!(grafana().join(file.as_str().unwrap()));
        }
        for job in config["scrape_configs"].as_array_mut().unwrap() {
            let of_job = targets.iter().find(|(name, _)| job["job_name"] == *name).unwrap();
            job["static_configs"] = json!([{"targets": [of_job.1]}]);
        }
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus must be installed: make setup-test");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let this = Self { child, url: format!("http://{address}"), http, _dir: dir };
        let ready = format!("{}/-/ready", this.url);
        wait::until("Prometheus", async || this.http.get(&ready).send().await.and_then(|r| r.error_for_status())).await;
        this
    }

    /// How many series an expression has now.
    async fn ask(&self, expr: &str) -> usize {
        let url = url::Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", expr)]).unwrap();
        let answer: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{expr}: {answer}");
        list(&answer["data"], "result").len()
    }

    /// Expressions that have no data, of those that should.
    async fn without_data(&self, wanted: &[(String, String)]) -> Vec<String> {
        let mut none = Vec::new();
        for (place, expr) in wanted {
            if self.ask(expr).await == 0 {
                none.push(format!("{place}: {expr}"));
            }
        }
        none
    }
}

/// Everything that is asked and must have data: whole expressions of panels and recording rules, and what alerts look at.
fn wanted() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in list(panel, "targets") {
                let place = format!("{name}, {}", panel["title"].as_str().unwrap());
                let expr = filled(target["expr"].as_str().unwrap());
                if panel["fieldConfig"]["defaults"]["noValue"].is_string() {
                    // It may be empty, and says what that means: what it is made of may not.
                    all.extend(reads(&expr).into_iter().map(|(selector, _, _)| (place.clone(), selector.to_string())));
                } else {
                    all.push((place, expr));
                }
            }
        }
    }
    for rule in rules("recording.yml") {
        all.push(("recording.yml".into(), rule["record"].as_str().unwrap().to_owned()));
    }
    for rule in rules("alerts.yml") {
        for (selector, _, _) in reads(rule["expr"].as_str().unwrap()) {
            all.push((rule["alert"].as_str().unwrap().to_owned(), selector.to_string()));
        }
    }
    assert!(all.len() > 80, "{}", all.len());
    all
}

fn accident(expr: &str) -> bool {
    reads(expr).iter().all(|(selector, _, _)| ACCIDENTS.contains(&name_of(selector).as_str()))
}

/// What a scheduler shows of a thousand Pod Managers, every second one of those with a name in trouble, in Prometheus's text format.
fn crowd() -> String {
    let mut page = String::from(
        "valence_podms{standing=\"down\"} 475\nvalence_podms{standing=\"well\"} 475\nvalence_podms{standing=\"open\"} 50\n\
         valence_podms_old{what=\"readings\"} 3\nvalence_podms_old{what=\"inventory\"} 0\n",
    );
    for n in 0..=100 {
        let podm = if n == 100 { "other".to_owned() } else { format!("podm{n:03}") };
        let ill = n % 2;
        for (family, value) in [("up", 1 - ill), ("circuit", 2 * ill)] {
            page.push_str(&format!("valence_podm_{family}{{podm=\"{podm}\"}} {value}\n"));
        }
        for (family, value) in [("in_flight", 4), ("limit", 4), ("waiting", n * ill)] {
            for gate in ["changes", "reads"] {
                page.push_str(&format!("valence_podm_{family}{{podm=\"{podm}\",gate=\"{gate}\"}} {value}\n"));
            }
        }
        for family in ["reading_age_seconds", "inventory_age_seconds"] {
            page.push_str(&format!("valence_{family}{{podm=\"{podm}\"}} {n}\n"));
        }
        for (family, stat) in [("temperature_celsius", "max"), ("power_watts", "sum")] {
            page.push_str(&format!("valence_reading_{family}{{podm=\"{podm}\",stat=\"{stat}\"}} {n}\n"));
        }
    }
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_thousand_pod_managers_no_panel_shows_more_than_can_be_read() {
    use warp::Filter as _;
    let page = warp::path("metrics").map(crowd);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheduler = listener.local_addr().unwrap().to_string();
    tokio::spawn(warp::serve(page).incoming(listener).run());
    let nobody = format!("127.0.0.1:{}", free_port());
    let jobs = [("valence-api", nobody.as_str()), ("valence-worker", &nobody), ("valence-scheduler", &scheduler)];
    let prometheus = Prometheus::start(&jobs).await;
    wait::until("it has been scraped", async || match prometheus.ask("valence_podms").await {
        0 => Err("nothing"),
        _ => Ok(()),
    })
    .await;
    let mut shown = 0;
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            // A table shows what its first query has; the others add columns.
            let queries = if panel["type"] == "table" { 1 } else { usize::MAX };
            for target in list(panel, "targets").iter().take(queries) {
                let expr = filled(target["expr"].as_str().unwrap());
                if !expr.contains("podm") {
                    continue;
                }
                let lines = prometheus.ask(&expr).await;
                assert!(lines <= 20, "{name}, {}: {lines} lines, {expr}", panel["title"]);
                shown += usize::from(lines > 0);
            }
        }
    }
    assert!(shown >= 15, "only {shown} panels have something of the Pod Managers");
}

/// Work of every sort: what composes, fails, is tried again, becomes due, is read.
async fn load(d: &Deployment, podms: &[String], round: usize) {
    for podm in podms {
        let name = format!("n{round}");
        let (status, body) =
            d.post("/v1/tasks", &json!({"kind": "node.compose", "podm_id": podm, "params": {"name": name}})).await;
        assert_eq!(status, 202, "{body}");
        d.submit_task(&json!({"kind": "telemetry.collect", "podm_id": podm, "params": {}})).await;
    }
    for params in
        [json!({"ms": 20, "steps": 2}), json!({"ms": 1, "steps": 1, "fail": true}), json!({"ms": 1, "retries": 1})]
    {
        d.submit("sleep", params).await;
    }
    d.submit_task(&json!({"kind": "sleep", "params": {"ms": 1, "steps": 1}, "delay_s": 1})).await;
    let node = d.http.post(format!("{}/v1/nodes", d.apis[0])).header("prefer", "respond-async");
    let node = node.json(&json!({"name": format!("placed{round}")})).send().await.unwrap();
    assert_eq!(node.status(), 202, "{node:?}");
    // What is there goes again, so that there is always room.
    for node in d.get("/v1/nodes").await.as_array().unwrap() {
        let node = format!("{}/v1/nodes/{}", d.apis[0], node["uuid"].as_str().unwrap());
        let deleted = d.http.delete(node).header("prefer", "respond-async").send().await.unwrap();
        assert!(matches!(deleted.status().as_u16(), 202 | 404 | 409), "{deleted:?}");
    }
    d.get("/v1/queues").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_has_data_on_a_live_deployment_under_load() {
    let mut d = Deployment::start(Shape { workers: 0, schedulers: 0, podms: 2, ..Shape::default() }).await;
    let (worker, scheduler) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    d.add("worker", &["--concurrency", "8", "--listen", &worker]);
    d.add("scheduler", &["--listen", &scheduler]);
    let api = d.apis[0].strip_prefix("http://").unwrap().to_owned();
    let jobs = [("valence-api", api.as_str()), ("valence-worker", &worker), ("valence-scheduler", &scheduler)];
    let prometheus = Prometheus::start(&jobs).await;
    d.until_workers(1).await;
    let podms = d.podm_ids().await;

    let (must, may): (Vec<_>, Vec<_>) = wanted().into_iter().partition(|(_, expr)| !accident(expr));
    let mut round = 0;
    wait::within(Duration::from_secs(90), "every expression has data", async || {
        load(&d, &podms, round).await;
        round += 1;
        let none = prometheus.without_data(&must).await;
        if none.is_empty() { Ok(()) } else { Err(none) }
    })
    .await;
    // These may be empty, but not wrong.
    assert!(!may.is_empty());
    prometheus.without_data(&may).await;
    for rule in rules("alerts.yml") {
        prometheus.ask(rule["expr"].as_str().unwrap()).await;
    }
    if std::env::var_os("VALENCE_PICTURES").is_some() {
        pictures(&d, &podms, &prometheus).await;
    }
}

/// `make pictures`: a while of load, in which one Pod Manager begins to hang, then each dashboard drawn from its JSON and what this Prometheus has.
async fn pictures(d: &Deployment, podms: &[String], prometheus: &Prometheus) {
    let begun = std::time::Instant::now();
    let mut round = 1000;
    let mut hangs = false;
    while begun.elapsed() < PICTURED {
        if !hangs && begun.elapsed() > PICTURED / 3 {
            let hang = d.http.put(format!("{}/sim/faults", d.sims[1])).json(&json!([{"hang": true}]));
            hangs = hang.send().await.unwrap().status().is_success();
        }
        load(d, podms, round).await;
        round += 1;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let drawn = Command::new("node")
        .arg(root.join("console/pictures/dashboards.mjs"))
        .arg(&prometheus.url)
        .arg(grafana().join("dashboards"))
        .arg(root.join("docs/pictures"))
        .status()
        .unwrap();
    assert!(drawn.success());
}

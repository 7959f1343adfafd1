//! `valence` at a terminal: `top`, `--watch` and progress bars draw, follow the window, end by key or signal, and leave the terminal as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use serde_json::json;
use support::canned::{Answers, Api, ID, a_bad_day, task, with};
use support::tty::Tty;
use support::wait::blocking as until;

fn top(api: &Api) -> Tty {
    Tty::start(100, 30, &api.url, &["top", "--every", "1"])
}

/// The terminal is the shell's again.
fn assert_given_back(tty: &Tty, what: &str) {
    until(&format!("{what}: the screen is given back, and the cursor shown"), || tty.taken() == (false, false));
    assert!(tty.is_sane(), "{what}: lines are not edited any more");
}

fn a_better_day() -> Answers {
    let mut answers = a_bad_day();
    answers[0].2["queues"][0]["depth"]["queued"] = json!(4711);
    answers
}

#[test]
fn top_draws_follows_what_happens_and_gives_the_terminal_back_at_q() {
    let api = Api::new(a_bad_day());
    let mut tty = top(&api);
    let first = tty.until("it draws", |s| s.contains("valence top") && s.contains("rack-a") && s.contains("q quit"));
    assert!(first.contains("no answer in time") && first.contains("OPEN"), "{first}");
    assert!(tty.taken().0, "it has a screen of its own");
    assert!(!first.contains("4711"));
    api.answers(a_better_day());
    tty.until("it shows what is new", |s| s.contains("4711"));
    tty.types("s");
    tty.until("it sorts otherwise", |s| s.contains("busiest first"));
    tty.types("q");
    assert_eq!(tty.end().code(), Some(0));
    assert_given_back(&tty, "q");
}

#[test]
fn top_fits_the_window_whatever_its_size() {
    let api = Api::new(a_bad_day());
    let mut tty = top(&api);
    tty.until("it draws", |s| s.contains("q quit"));
    for (columns, rows) in [(60, 20), (160, 50), (20, 6), (80, 24)] {
        tty.resize(columns, rows);
        tty.until("it is drawn anew", |s| {
            let lines: Vec<&str> = s.lines().collect();
            // The keys stand in the last line of the window, the sums in the first.
            lines.len() == usize::from(rows)
                && lines[0].starts_with("valence top")
                && lines[lines.len() - 1].starts_with("q quit")
        });
    }
    tty.types("\x1b");
    assert_eq!(tty.end().code(), Some(0));
    assert_given_back(&tty, "Esc");
}

#[test]
fn top_gives_the_terminal_back_at_ctrl_c_and_when_it_is_told_to_end() {
    let api = Api::new(a_bad_day());
    for (how, code) in [("Ctrl-C", Some(0)), ("-TERM", Some(0)), ("-HUP", Some(0))] {
        let mut tty = top(&api);
        tty.until("it draws", |s| s.contains("q quit"));
        if how == "Ctrl-C" {
            tty.types("\x03")
        } else {
            tty.signal(how)
        }
        assert_eq!(tty.end().code(), code, "{how}");
        assert_given_back(&tty, how);
    }
}

#[test]
fn top_says_when_the_api_does_not_answer_and_goes_on_when_it_does() {
    let api = Api::new(a_bad_day());
    let mut tty = top(&api);
    tty.until("it draws", |s| s.contains("q quit"));
    api.answers(vec![("GET ", 503, json!({"title": "Connection Error", "detail": "Redis is not reachable"}))]);
    let shown = tty.until("it says so", |s| s.contains("not up to date"));
    assert!(shown.contains("rack-a"), "what was seen last stays: {shown}");
    api.answers(a_better_day());
    tty.until("it is up to date again", |s| s.contains("4711") && s.contains("q quit"));
    tty.types("q");
    tty.end();
}

#[test]
fn an_api_that_is_not_there_is_told_before_top_takes_the_screen() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut tty = Tty::start(100, 30, &format!("http://{gone}"), &["top"]);
    assert_eq!(tty.end().code(), Some(3));
    tty.until("it says why", |s| s.contains("cannot reach the API"));
    assert_given_back(&tty, "no API");
}

#[test]
fn a_watched_list_is_shown_anew_in_its_place_until_ctrl_c() {
    let page = |state: &str| vec![("GET /v1/tasks", 200, json!({"tasks": [task(state)], "marker": null}))];
    let api = Api::new(page("queued"));
    let mut tty = Tty::start(140, 20, &api.url, &["task", "list", "--watch=1"]);
    tty.until("it is shown", |s| s.contains("queued"));
    api.answers(page("running"));
    let shown = tty.until("it is shown anew", |s| s.contains("running"));
    assert!(!shown.contains("queued"), "the old list is gone: {shown}");
    tty.types("\x03");
    assert!(!tty.end().success());
    assert_given_back(&tty, "Ctrl-C");
}

fn at(percent: u8) -> Answers {
    let progress = json!({"percent": percent, "step": "assembling", "message": ""});
    vec![("GET /v1/tasks/", 200, with(task("running"), "progress", progress))]
}

#[test]
fn waiting_shows_a_bar_that_goes_away_and_the_end() {
    let api = Api::new(at(40));
    let mut tty = Tty::start(90, 10, &api.url, &["task", "wait", ID]);
    tty.until("a bar", |s| s.contains("40%") && s.contains("assembling") && s.contains("=="));
    api.answers(at(80));
    tty.until("it grows", |s| s.contains("80%"));
    api.answers(vec![("GET /v1/tasks/", 200, task("completed"))]);
    assert_eq!(tty.end().code(), Some(0));
    let shown = tty.until("the end", |s| s.contains("completed in attempt 1"));
    assert!(!shown.contains('%'), "the bar is gone: {shown}");
    assert_given_back(&tty, "the end");
}

#[test]
fn ctrl_c_while_waiting_leaves_the_task_alone_and_says_how_to_come_back() {
    let api = Api::new(at(40));
    let mut tty = Tty::start(90, 10, &api.url, &["task", "wait", ID]);
    tty.until("a bar", |s| s.contains("40%"));
    tty.types("\x03");
    assert_eq!(tty.end().code(), Some(130));
    tty.until("it says so, in lines of their own", |s| {
        let told = |begin: &str| s.lines().any(|line| line.starts_with(begin));
        told(&format!("valence: task {ID} goes on")) && told("Follow it with `valence task wait")
    });
    assert!(api.seen().iter().all(|r| r.line.starts_with("GET ")), "nothing was cancelled");
    assert_given_back(&tty, "Ctrl-C");
}

#[test]
fn a_table_fits_a_window_by_breaking_texts_and_never_ids() {
    let why = "no answer in time from the Pod Manager, which was asked three times within a minute and said nothing";
    let error = json!({"code": "X", "status": 504, "title": "Gateway Timeout", "detail": why, "retryable": true});
    let api =
        Api::new(vec![("GET /v1/dead-letters", 200, json!({"dead_letters": [with(task("failed"), "error", error)]}))]);
    let mut tty = Tty::start(110, 20, &api.url, &["dead-letter", "list"]);
    assert_eq!(tty.end().code(), Some(0));
    let shown = tty.until("the table", |s| s.contains(ID));
    assert!(shown.lines().count() > 2 && shown.contains("said"), "{shown}");
    // The text stands in its own column, below its head.
    let column = shown.lines().next().unwrap().find("ERROR").unwrap();
    let rest = shown.lines().nth(2).unwrap();
    assert!(rest[..column].trim().is_empty() && !rest[column..].trim().is_empty(), "{shown}");
}

//! The documentation agrees with the code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use valence::config::Config;
use valence::model::state::State;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Path and text of each file of some folders.
fn files(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let paths = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let paths = paths.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn doc(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The example with its commented settings switched on, and the paths of those that have no default.
fn example() -> (String, Vec<String>) {
    let mut text = String::new();
    let mut section = String::new();
    let mut without_default = Vec::new();
    for line in doc("valence.example.toml").lines() {
        if let Some(table) = line.strip_prefix('[') {
            section = table.trim_end_matches(']').to_owned();
        }
        let setting = line.strip_prefix('#').filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
        if let Some(setting) = setting
            && setting.ends_with("# no default")
        {
            let key = setting.split(' ').next().unwrap();
            without_default.push(if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") });
        }
        text.push_str(setting.unwrap_or(line));
        text.push('\n');
    }
    (text, without_default)
}

/// Every leaf of a TOML table as `path = value`.
fn leaves(prefix: &str, value: &toml::Value, found: &mut Vec<(String, toml::Value)>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                leaves(&if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, value, found);
            }
        }
        other => found.push((prefix.to_owned(), other.clone())),
    }
}

fn as_toml(config: &Config) -> Vec<(String, toml::Value)> {
    let mut found = Vec::new();
    leaves("", &toml::Value::try_from(config).unwrap(), &mut found);
    found
}

#[test]
fn the_example_configuration_is_empty_as_it_stands() {
    let config: Config = toml::from_str(&doc("valence.example.toml")).unwrap();
    assert_eq!(as_toml(&config), as_toml(&Config::default()));
}

#[test]
fn every_default_in_the_example_configuration_is_the_programs() {
    let (text, without_default) = example();
    let config: Config = toml::from_str(&text).unwrap_or_else(|e| panic!("the example cannot be read: {e}"));
    let defaults = as_toml(&Config::default());
    for (path, value) in as_toml(&config) {
        if path == "podm" || without_default.contains(&path) {
            continue;
        }
        let default = defaults.iter().find(|(p, _)| *p == path).map(|(_, v)| v);
        assert_eq!(default, Some(&value), "{path}");
    }
    config.check().unwrap();
}

#[test]
fn the_example_configuration_has_every_key() {
    let (text, without_default) = example();
    let mut told = Vec::new();
    leaves("", &text.parse::<toml::Table>().unwrap().into(), &mut told);
    for (path, _) in as_toml(&Config::default()) {
        assert!(told.iter().any(|(p, _)| *p == path), "{path} is missing");
    }
    // Those that are absent unless set do not show in the default: they are fields of the structs.
    let files = fs::read_dir(root().join("src/config")).unwrap().map(|f| f.unwrap().path());
    let sections = files.filter(|f| !f.ends_with("args.rs")).chain([root().join("src/config.rs")]);
    let structs: String = sections
        .map(|f| {
            fs::read_to_string(f).unwrap().split("/// A Pod Manager in the configuration").next().unwrap().to_owned()
        })
        .collect();
    for line in structs.lines().filter(|l| l.starts_with("    pub ") && l.contains(": Option<")) {
        let key = line.trim().trim_start_matches("pub ").split(':').next().unwrap();
        let told = without_default.iter().any(|p| p.rsplit('.').next() == Some(key));
        assert!(told, "{key} is missing, or does not say that it has no default");
    }
}

#[test]
fn the_chart_of_states_shows_exactly_the_legal_moves() {
    let chart = doc("task-states.md");
    let mut drawn = BTreeSet::new();
    for line in chart.lines().filter(|l| l.contains("-->") && !l.contains("[*]")) {
        let (from, rest) = line.trim().split_once(" --> ").unwrap();
        let (to, who) = rest.split_once(": ").unwrap_or_else(|| panic!("{line}: who makes the move?"));
        assert!(!who.is_empty());
        drawn.insert((State::parse(from).unwrap(), State::parse(to).unwrap()));
    }
    let legal: BTreeSet<_> = State::ALL
        .into_iter()
        .flat_map(|a| State::ALL.into_iter().map(move |b| (a, b)))
        .filter(|(a, b)| a.may_become(*b))
        .collect();
    assert_eq!(drawn, legal);
}

/// First cells of the tables of keys.md, the code marks taken off.
fn told_keys() -> BTreeSet<String> {
    let page = doc("keys.md");
    page.lines().filter_map(|l| l.strip_prefix("| `")?.split_once('`')).map(|(key, _)| key.to_owned()).collect()
}

/// A key with its variable parts as `*`.
fn shape(key: &str) -> String {
    let mut shape = String::new();
    let mut depth = 0;
    for c in key.chars() {
        match c {
            '<' | '{' => {
                depth += 1;
                if depth == 1 {
                    shape.push('*');
                }
            }
            '>' | '}' => depth -= 1,
            c if depth == 0 => shape.push(c),
            _ => {}
        }
    }
    shape
}

#[test]
fn every_key_the_code_spells_is_on_the_page_of_keys() {
    let mut told: BTreeSet<String> = told_keys().iter().map(|k| shape(k)).collect();
    told.insert("t:*".into());
    // keys.rs: text in quotes that begins with vl: is a key; {{{bucket}}}: is the bucket's prefix.
    let source = fs::read_to_string(root().join("src/store/keys.rs")).unwrap();
    let source = source.split("#[cfg(test)]").next().unwrap();
    for text in
        source.lines().filter(|l| !l.trim_start().starts_with("//")).flat_map(|l| l.split('"').skip(1).step_by(2))
    {
        let Some(key) = text.strip_prefix("vl:") else { continue };
        let suffix = key.strip_prefix("{{{bucket}}}:").or_else(|| key.strip_prefix("{{{}}}:"));
        let spelled = match suffix {
            Some("" | "{suffix}") => continue,
            Some(suffix) => shape(&suffix.replace("{lane}", "<t>:<p>")),
            None => shape(&format!("vl:{key}")),
        };
        assert!(told.contains(&spelled), "{text} ({spelled}) is not on docs/keys.md");
    }
    // store/*.rs: suffixes given to keys::of.
    for (_, text) in files(&["src/store"]) {
        for (at, _) in text.match_indices("keys::of(") {
            let call = &text[at..text.len().min(at + 120)];
            let Some(suffix) = call.split('"').nth(1).filter(|_| call.find('"') < call.find('\n')) else { continue };
            assert!(told.contains(&shape(suffix)), "{suffix} is not on docs/keys.md");
        }
    }
    // lua: P .. 'suffix' and .key .. ':suffix'.
    for (path, text) in files(&["lua", "lua/lib"]) {
        for (mark, before) in [("P .. '", ""), (".key .. '", "t:*")] {
            for (at, _) in text.match_indices(mark) {
                let suffix = text[at + mark.len()..].split('\'').next().unwrap();
                let open = suffix.ends_with(':');
                let key = format!("{before}{suffix}");
                let fine = if open { told.iter().any(|k| k.starts_with(&key)) } else { told.contains(&key) };
                assert!(fine, "{}: {key} is not on docs/keys.md", path.display());
            }
        }
    }
}

#[test]
fn every_key_on_the_page_of_keys_is_spelled_somewhere() {
    let spelled: String = files(&["src/store", "lua", "lua/lib"]).into_iter().map(|(_, text)| text).collect();
    for key in told_keys() {
        // The fixed words of the key, such as `gatewait` of `gatewait:<name>`.
        let words: Vec<&str> = key.split([':', '<', '>', '{', '}']).filter(|w| w.len() > 2).collect();
        let fixed: Vec<&&str> = words
            .iter()
            .filter(|w| {
                !["topic", "priority", "name", "digest", "request", "collection", "what", "worker", "api"].contains(*w)
            })
            .collect();
        for word in fixed {
            assert!(spelled.contains(*word), "{key}: nothing spells {word}");
        }
    }
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let mut pages = vec![root().join("README.md")];
    for dir in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(dir)).unwrap().map(|e| e.unwrap().path());
        pages.extend(entries.filter(|p| p.extension().is_some_and(|e| e == "md")));
    }
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
        }
    }
}

/// What stands between two words, for each time that it does.
fn between<'t>(text: &'t str, open: &str, close: char) -> BTreeSet<&'t str> {
    text.match_indices(open).map(|(at, _)| text[at + open.len()..].split(close).next().unwrap()).collect()
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_its_alert() {
    let alerts = fs::read_to_string(root().join("grafana/alerts.yml")).unwrap();
    let page = doc("operations.md");
    let runbooks = page.split("\n## Alerts").nth(1).unwrap().split("\n## ").next().unwrap();
    assert_eq!(between(&alerts, "- alert: ", '\n'), between(runbooks, "\n### ", '\n'));
    for section in runbooks.split("\n### ").skip(1) {
        let (name, text) = section.split_once('\n').unwrap();
        assert!(text.trim().len() > 20, "{name}: what is to be done?");
    }
}

#[test]
fn every_metric_is_on_the_page_of_operations_and_every_one_there_exists() {
    let mut declared = BTreeSet::new();
    for entry in fs::read_dir(root().join("src/observe/metrics")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        declared.extend(between(&text, "\"valence_", '"').into_iter().map(str::to_owned));
        // These are declared by what they measure.
        let text: String = text.split_whitespace().collect();
        declared.extend(between(&text, "reading(\"", '"').into_iter().map(|what| format!("reading_{what}")));
    }
    declared.remove("reading_{name}");
    assert!(declared.len() > 35, "{declared:?}");
    let page = doc("operations.md");
    let told = between(&page, "`valence_", '`');
    let told: BTreeSet<String> = told.iter().map(|name| name.split('{').next().unwrap().to_owned()).collect();
    let missing: Vec<_> = declared.iter().filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "not on docs/operations.md: {missing:?}");
    let unknown: Vec<_> = told.iter().filter(|name| !declared.contains(*name)).collect();
    assert!(unknown.is_empty(), "on docs/operations.md and nowhere else: {unknown:?}");
}

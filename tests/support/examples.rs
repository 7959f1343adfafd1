//! The examples of the help pages, as they are typed.

/// Every example, without the program's name and what a shell would do with files, by its command.
pub fn examples() -> Vec<(String, Vec<String>)> {
    fn below(command: &clap::Command, path: &str, found: &mut Vec<(String, Vec<String>)>) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
            below(inner, &path, found);
            let shown = inner.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in shown.lines().skip(1) {
                let mut words = shlex::split(line).unwrap();
                words.retain(|w| w != "--json" && !w.starts_with("--watch"));
                words.truncate(words.iter().position(|w| w == "<" || w == ">").unwrap_or(words.len()));
                found.push((path.clone(), words[1..].to_vec()));
            }
        }
    }
    let mut found = Vec::new();
    below(&valence::ctl::command(), "", &mut found);
    found
}

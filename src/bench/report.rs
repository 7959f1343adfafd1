//! Figures: one row each, with the median, the extremes, and the ratio to the yardstick of the same run.

use serde::Serialize;

use super::BenchArgs;

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub figure: String,
    /// Median over the runs.
    pub median: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Unit.
    pub unit: &'static str,
    /// Median of the yardstick in the same runs.
    pub yardstick: Option<f64>,
    /// Median of the ratios run by run.
    pub ratio: Option<f64>,
}

/// What a call of the bench measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// appendfsync of the private Redis.
    pub fsync: String,
    /// Runs of each scenario.
    pub runs: usize,
    /// The figures.
    pub rows: Vec<Row>,
    /// What was promised and did not hold.
    pub broken: Vec<String>,
}

impl Report {
    pub(super) fn new(args: &BenchArgs) -> Self {
        Self { fsync: args.fsync.clone(), runs: args.runs, rows: Vec::new(), broken: Vec::new() }
    }

    /// Adds a figure from the values of its runs; `yardstick` has one value a run, or none.
    pub fn add(&mut self, figure: &str, unit: &'static str, values: &[f64], yardstick: &[f64]) {
        let ratios: Vec<f64> = values.iter().zip(yardstick).map(|(v, y)| v / y).collect();
        let extreme = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or(f64::NAN);
        self.rows.push(Row {
            figure: figure.to_owned(),
            median: median(values),
            min: extreme(f64::min),
            max: extreme(f64::max),
            unit,
            yardstick: (!yardstick.is_empty()).then(|| median(yardstick)),
            ratio: (!ratios.is_empty()).then(|| median(&ratios)),
        });
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header(["figure", "median", "min", "max", "unit", "yardstick", "ratio"]);
        let show = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), number);
        for r in &self.rows {
            table.add_row([
                r.figure.clone(),
                number(r.median),
                number(r.min),
                number(r.max),
                r.unit.to_owned(),
                show(r.yardstick),
                r.ratio.map_or_else(|| "-".to_owned(), |n| format!("{n:.2}")),
            ]);
        }
        format!("appendfsync {}, {} runs\n{table}\n", self.fsync, self.runs)
    }
}

fn number(n: f64) -> String {
    if n.abs() >= 100.0 { format!("{n:.0}") } else { format!("{n:.2}") }
}

/// The middle value.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

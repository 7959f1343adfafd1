//! How the screen is drawn: a line of sums, four tables, a line of keys. It fits 80 by 24; what is larger goes to the Pod Managers.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Row, Table};

use super::super::error::CtlError;
use super::super::trouble::{self, Level};
use super::{Look, Wish};
use crate::model::circuit::{CircuitState, PodmState};
use crate::model::podm::PodmStatus;

/// States of tasks that wait for a time or for something.
const LATER: [&str; 4] = ["scheduled", "retrying", "parked", "waiting"];
/// Most lines of the workers' and the failures' tables, title and head included.
const WORKERS: u16 = 5;
const FAILURES: u16 = 5;

/// In which order Pod Managers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Trouble,
    Busy,
    Name,
}

impl Order {
    const fn next(self) -> Self {
        match self {
            Self::Trouble => Self::Busy,
            Self::Busy => Self::Name,
            Self::Name => Self::Trouble,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Trouble => "trouble first",
            Self::Busy => "busiest first",
            Self::Name => "by name",
        }
    }
}

/// What was seen last, and how it is looked at.
pub(super) struct Screen {
    look: Look,
    address: String,
    order: Order,
    /// Pod Managers above the first that is shown.
    above: usize,
    /// Why the last look failed.
    stale: Option<String>,
}

impl Screen {
    pub(super) fn of(look: Look, address: &str) -> Self {
        let mut screen = Self { look, address: address.to_owned(), order: Order::Trouble, above: 0, stale: None };
        screen.sort();
        screen
    }

    pub(super) fn renew(&mut self, look: Look) {
        (self.look, self.stale) = (look, None);
        self.sort();
    }

    pub(super) fn stale(&mut self, why: &CtlError) {
        self.stale = Some(why.to_string().lines().next().unwrap_or_default().to_owned());
    }

    pub(super) fn obey(&mut self, wish: Wish) {
        match wish {
            Wish::Up => self.above = self.above.saturating_sub(1),
            Wish::Down => self.above += 1,
            Wish::Sort => {
                (self.order, self.above) = (self.order.next(), 0);
                self.sort();
            }
            Wish::Redraw | Wish::Quit => {}
        }
        self.above = self.above.min(self.look.podms.len().saturating_sub(1));
    }

    fn sort(&mut self) {
        let order = self.order;
        let key = |p: &PodmState| match order {
            Order::Trouble => (2_usize.saturating_sub(trouble(p)), 0),
            Order::Busy => (0, u64::MAX - p.gates.iter().map(|g| g.in_flight + g.waiting).sum::<u64>()),
            Order::Name => (0, 0),
        };
        self.look.podms.sort_by(|a, b| (key(a), &a.name).cmp(&(key(b), &b.name)));
    }

    /// Draws it.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let queues = u16::try_from(self.look.queues.len()).unwrap_or(u16::MAX).saturating_add(2);
        // However small the window is, the sums and the keys are there.
        let ends = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
        let [top, tables, keys] = Layout::vertical(ends).areas(frame.area());
        let [one, two, three, four] = Layout::vertical([
            Constraint::Length(queues),
            Constraint::Length(height(self.look.workers.len(), WORKERS)),
            Constraint::Min(4),
            Constraint::Length(height(self.look.failures.len(), FAILURES)),
        ])
        .areas(tables);
        frame.render_widget(self.sums(), top);
        frame.render_widget(self.queues(), one);
        frame.render_widget(self.workers(), two);
        frame.render_widget(self.podms(), three);
        frame.render_widget(self.failures(), four);
        frame.render_widget(self.keys(), keys);
    }

    fn sums(&self) -> Line<'_> {
        let depth = |state: &str| self.look.queues.iter().filter_map(|q| q.depth.get(state)).sum::<i64>();
        let slots: u32 = self.look.workers.iter().map(|w| w.slots).sum();
        let later: i64 = LATER.into_iter().map(depth).sum();
        let text = format!(
            "valence top  {}  {} queued, {} running in {slots} slots, {later} later",
            self.address,
            depth("queued"),
            depth("running"),
        );
        Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
    }

    fn queues(&self) -> Table<'_> {
        let rows = self.look.queues.iter().map(|q| {
            let depth = |state: &str| q.depth.get(state).copied().unwrap_or(0).to_string();
            let later: i64 = LATER.iter().filter_map(|s| q.depth.get(*s)).sum();
            let cells = [
                q.topic.clone(),
                if q.paused { "paused" } else { "open" }.into(),
                depth("queued"),
                q.pending.to_string(),
                later.to_string(),
                format!("{:.1}s", q.oldest_age_s),
                format!("{:.1}", q.rates.get("completed").copied().unwrap_or(0.0)),
                q.totals.get("failed").copied().unwrap_or(0).to_string(),
                q.workers.to_string(),
            ];
            // Nothing of it is being done.
            let stuck = q.paused || q.workers == 0;
            Row::new(cells).style(if stuck { warning() } else { Style::new() })
        });
        let head = ["TOPIC", "TAKES", "QUEUED", "PENDING", "LATER", "OLDEST", "DONE/S", "FAILED", "WORKERS"];
        table("Queues", head, rows, [11, 7, 7, 8, 6, 8, 7, 7, 7])
    }

    fn workers(&self) -> Table<'_> {
        let mut workers: Vec<_> = self.look.workers.iter().collect();
        workers.sort_by(|a, b| (b.busy, &a.id).cmp(&(a.busy, &b.id)));
        let fit = usize::from(WORKERS) - 2;
        let title = more("Workers, busiest first", workers.len(), fit);
        let rows = workers.into_iter().take(fit).map(|w| {
            let topics: Vec<_> = w.topics.iter().map(|t| t.as_str()).collect();
            let cells = [
                text(&w.id),
                text(&w.host),
                format!("{}/{}", w.busy, w.slots),
                if w.draining { "draining" } else { "yes" }.into(),
                topics.join(" "),
            ];
            Row::new(cells).style(if w.draining { warning() } else { Style::new() })
        });
        table(title, ["WORKER", "HOST", "BUSY", "TAKES", "TOPICS"], rows, [28, 14, 7, 8, 40])
    }

    fn podms(&self) -> Table<'_> {
        let rows = self.look.podms.iter().skip(self.above).map(|p| {
            let gate = |name: &str| {
                let gate = p.gates.iter().find(|g| g.name == name);
                gate.map_or_else(String::new, |g| format!("{}/{}", g.in_flight, g.limit))
            };
            let waiting: u64 = p.gates.iter().map(|g| g.waiting).sum();
            let status = match p.status {
                PodmStatus::Online => "Online",
                PodmStatus::Offline => "Offline",
                PodmStatus::Unknown => "Unknown",
            };
            let takes = match (p.draining, p.cordoned) {
                (true, _) => "draining",
                (false, true) => "cordoned",
                (false, false) => "yes",
            };
            let circuit = match p.circuit.state {
                CircuitState::Closed => "closed",
                CircuitState::Open => "OPEN",
                CircuitState::HalfOpen => "half open",
            };
            let cells = [
                text(&p.name),
                status.into(),
                circuit.into(),
                takes.into(),
                gate("changes"),
                gate("reads"),
                waiting.to_string(),
                why(p),
            ];
            let style = [Style::new(), warning(), Style::new().fg(Color::Red)];
            Row::new(cells).style(style.get(trouble(p)).copied().unwrap_or_default())
        });
        let title = format!("Pod Managers, {} ({})", self.order.word(), self.look.podms.len());
        let head = ["POD MANAGER", "STATUS", "CIRCUIT", "TAKES", "CHANGES", "READS", "WAITING", "WHY"];
        table(title, head, rows, [16, 8, 9, 8, 7, 7, 7, 60])
    }

    fn failures(&self) -> Table<'_> {
        let fit = usize::from(FAILURES) - 2;
        let rows = self.look.failures.iter().take(fit).map(|t| {
            let why = t.error.as_ref().map(|e| text(&e.problem.detail)).unwrap_or_default();
            let at = t.finished_at.as_deref().and_then(|at| at.get(11..19)).unwrap_or_default().to_owned();
            Row::new([at, t.kind.clone(), t.id.to_string(), why])
        });
        table("Latest failures (valence task show ID)", ["AT (UTC)", "KIND", "TASK", "WHY"], rows, [8, 16, 36, 80])
    }

    fn keys(&self) -> Line<'_> {
        match &self.stale {
            Some(why) => Line::styled(format!("not up to date: {}", text(why)), Style::new().fg(Color::Red)),
            None => {
                Line::styled("q quit   ↑↓ scroll Pod Managers   s sort them", Style::new().add_modifier(Modifier::DIM))
            }
        }
    }
}

/// 0: none; 1: it is slow, or was told to take nothing; 2: it is stuck.
fn trouble(podm: &PodmState) -> usize {
    match trouble::of(podm).0 {
        Level::Stuck => 2,
        Level::Slow => 1,
        Level::Well => usize::from(podm.cordoned || podm.draining),
    }
}

/// What the other columns do not say.
fn why(podm: &PodmState) -> String {
    let full = podm.gates.iter().find(|g| g.waiting > 0 && g.in_flight >= u64::from(g.limit));
    match (&podm.circuit.why, full) {
        (Some(why), _) => text(why),
        (None, Some(gate)) => format!("{} full", gate.name),
        (None, None) => String::new(),
    }
}

fn warning() -> Style {
    Style::new().fg(Color::Yellow)
}

/// Lines of a table with so many rows: no more than it needs.
fn height(rows: usize, most: u16) -> u16 {
    u16::try_from(rows).map_or(most, |rows| rows.saturating_add(2).min(most))
}

/// A title that says how many there are when not all fit.
fn more(title: &str, count: usize, fit: usize) -> String {
    if count > fit { format!("{title} ({fit} of {count})") } else { format!("{title} ({count})") }
}

/// Text that came from elsewhere, without control characters.
fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn table<'a, const N: usize>(
    title: impl Into<Line<'a>>,
    head: [&'a str; N],
    rows: impl Iterator<Item = Row<'a>>,
    widths: [u16; N],
) -> Table<'a> {
    let head = Row::new(head.map(Cell::from)).style(Style::new().add_modifier(Modifier::DIM));
    // The last column has what is left.
    let last = N - 1;
    let widths =
        std::array::from_fn::<_, N, _>(|n| if n == last { Constraint::Min(4) } else { Constraint::Length(widths[n]) });
    Table::new(rows, widths).header(head).block(Block::new().borders(Borders::TOP).title(title.into()))
}

//! `valence top`: queues, workers, Pod Managers and the latest failures on one screen, live.
//!
//! [`look`] is what is seen, [`view`] how it is drawn; here are the keys and the clock. Where nobody watches, or with `--once`, one frame is
//! printed as text.

mod look;
mod view;

use std::time::Duration;

use clap::Args;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::look::Look;
use self::view::Screen;
use super::client::Client;
use super::error::CtlError;
use super::output::Output;

/// Size of a frame that is printed.
const PAGE: (u16, u16) = (80, 24);
/// How soon a key press is seen, and an end of the screen.
const KEY: Duration = Duration::from_millis(100);

/// How often, or once.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Print one frame and end; so it is where the output is no terminal
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Quit,
    Up,
    Down,
    Sort,
    Redraw,
}

/// Shows it until `q` is pressed.
pub(super) async fn run(args: &TopArgs, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    if out.json() || args.once || !out.tty() {
        let (answers, look) = look::at(api).await?;
        if out.json() {
            return Ok(out.value(&answers)?);
        }
        return page(&Screen::of(look, api.address()), out);
    }
    // An API that is not there is told before the screen is taken.
    let screen = Screen::of(look::at(api).await?.1, api.address());
    let terminal = ratatui::try_init()?;
    let ended = live(terminal, screen, Duration::from_secs(args.every), api).await;
    ratatui::restore();
    ended
}

/// One frame as text.
fn page(screen: &Screen, out: &mut Output<'_>) -> Result<(), CtlError> {
    let mut terminal = match Terminal::new(TestBackend::new(PAGE.0, PAGE.1)) {
        Ok(terminal) => terminal,
        Err(never) => match never {},
    };
    let drawn = match terminal.draw(|frame| screen.draw(frame)) {
        Ok(drawn) => drawn,
        Err(never) => match never {},
    };
    for row in drawn.buffer.content().chunks(usize::from(PAGE.0)) {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        out.line(line.trim_end())?;
    }
    Ok(())
}

async fn live(
    mut terminal: ratatui::DefaultTerminal,
    mut screen: Screen,
    every: Duration,
    api: &Client,
) -> Result<(), CtlError> {
    let (tell, mut wishes) = mpsc::channel(8);
    let keys = tokio::task::spawn_blocking(move || listen(&tell));
    // Told to end, or its window closed: the terminal is given back all the same.
    let (mut told, mut closed) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    clock.tick().await;
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        tokio::select! {
            wish = wishes.recv() => match wish {
                None | Some(Wish::Quit) => break,
                Some(wish) => screen.obey(wish),
            },
            _ = told.recv() => break,
            _ = closed.recv() => break,
            _now = clock.tick() => match look::at(api).await {
                Ok((_, look)) => screen.renew(look),
                // The API may be restarting: what was seen last stays, and says so.
                Err(error) => screen.stale(&error),
            },
        }
    }
    drop(wishes);
    keys.await.map_err(|e| CtlError::from(std::io::Error::other(e)))??;
    Ok(())
}

/// Reads keys until nobody listens any more.
fn listen(tell: &mpsc::Sender<Wish>) -> std::io::Result<()> {
    while !tell.is_closed() {
        if !event::poll(KEY)? {
            continue;
        }
        let wish = match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                KeyCode::Char('q') | KeyCode::Esc => Wish::Quit,
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Wish::Quit,
                KeyCode::Up | KeyCode::Char('k') => Wish::Up,
                KeyCode::Down | KeyCode::Char('j') => Wish::Down,
                KeyCode::Char('s') | KeyCode::Left | KeyCode::Right => Wish::Sort,
                _ => continue,
            },
            Event::Resize(..) => Wish::Redraw,
            _ => continue,
        };
        if tell.blocking_send(wish).is_err() {
            break;
        }
    }
    Ok(())
}

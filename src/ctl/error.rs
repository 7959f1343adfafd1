//! What can go wrong with a command: what happened, why, and what to do next. Each variant has its exit code.

use std::io;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// The command line cannot be carried out as it is.
    #[error("{0}")]
    Usage(String),
    /// Nothing answers at the API's address.
    #[error("cannot reach the API at {url}: {why}\n{next}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What happened.
        why: String,
        /// What to do.
        next: String,
    },
    /// The API answered, and said no.
    #[error("{what} was refused: {status} {title}: {detail}{next}")]
    Refused {
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// The class of the error.
        title: String,
        /// What the API says of this request.
        detail: String,
        /// What to do, beginning with a line break; empty when there is nothing to add.
        next: String,
    },
    /// The API answered something else than its contract says.
    #[error("the API's answer to {what} cannot be read: {why}\nAre the command and the API of the same version?")]
    Answer {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The task ended, but not well.
    #[error("task {id} ended {state}{why}\nSee `valence task show {id}`; `valence task retry {id}` tries again.")]
    TaskFailed {
        /// The task.
        id: String,
        /// How it ended.
        state: String,
        /// Why, beginning with a colon; empty when it does not say.
        why: String,
    },
    /// Time was up while waiting.
    #[error("task {id} has not ended within {waited_s} s; it goes on\nFollow it with `valence task wait {id}`.")]
    StillRunning {
        /// The task.
        id: String,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// Ctrl-C while waiting.
    #[error("task {id} goes on\nFollow it with `valence task wait {id}`; `valence task cancel {id}` ends it.")]
    Left {
        /// The task.
        id: String,
    },
    /// A check found something wrong; it has been printed.
    #[error("{0}")]
    Wrong(String),
    /// `valence up` cannot start or go on.
    #[error("{0}")]
    Up(String),
    /// The answer cannot be written.
    #[error("cannot write the answer")]
    Output(#[from] io::Error),
}

impl CtlError {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // `valence task list | head` is no failure.
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::TaskFailed { .. } | Self::StillRunning { .. } | Self::Wrong(_) | Self::Up(_) | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Answer { .. } => 3,
            Self::Refused { .. } => 4,
            // As shells have it for what ended by Ctrl-C.
            Self::Left { .. } => 130,
        }
    }
}

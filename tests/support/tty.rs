//! `valence` on a terminal of its own: what it shows, as a person sees it, and what is typed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::wait::blocking as until;

/// A terminal with a command on it.
pub struct Tty {
    /// Our side.
    main: File,
    /// The command's side, kept open so that its modes can be seen after its end.
    other: File,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Tty {
    /// Starts `valence` in the foreground of a terminal of that size.
    pub fn start(columns: u16, rows: u16, api: &str, args: &[&str]) -> Self {
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_valence")]).args(args).env("VALENCE_API_URL", api);
        Self::of(columns, rows, command)
    }

    /// Starts a command, which begins with `setsid --ctty`: a session of its own, so that Ctrl-C and changes of size reach it.
    pub fn of(columns: u16, rows: u16, mut command: Command) -> Self {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        tcsetwinsize(&main, size(columns, rows)).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
        let open = || File::options().read(true).write(true).open(&name).unwrap();
        let child = command
            .env("TERM", "xterm-256color")
            .env_remove("VALENCE_API_TOKEN")
            .env_remove("NO_COLOR")
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        let main = File::from(main);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0)));
        let (mut reader, seen) = (main.try_clone().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..n]);
            }
        });
        Self { main, other: open(), screen, child }
    }

    /// What is on the screen.
    pub fn shown(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let rows: Vec<String> = parser.screen().rows(0, u16::MAX).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Whether a screen of its own is shown, and whether the cursor is hidden.
    pub fn taken(&self) -> (bool, bool) {
        let parser = self.screen.lock().unwrap();
        (parser.screen().alternate_screen(), parser.screen().hide_cursor())
    }

    /// Whether lines are edited and echoed, as a shell needs it.
    pub fn is_sane(&self) -> bool {
        let modes = tcgetattr(&self.other).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits until the screen is as it should be, and gives it.
    pub fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        until(what, || {
            let shown = self.shown();
            if holds(&shown) { Ok(shown) } else { Err(shown) }
        })
    }

    pub fn types(&mut self, keys: &str) {
        self.main.write_all(keys.as_bytes()).unwrap();
    }

    /// Somebody pulls at the window.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (lines, wide) = (rows.try_into().unwrap(), columns.try_into().unwrap());
        self.screen.lock().unwrap().screen_mut().set_size(lines, wide);
        tcsetwinsize(&self.main, size(columns, rows)).unwrap();
    }

    /// The signal, to the command itself.
    pub fn signal(&self, name: &str) {
        // `setsid` became the command itself.
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Its end.
    pub fn end(&mut self) -> ExitStatus {
        until("it has ended", || self.child.try_wait().unwrap())
    }
}

//! Log lines of work on a database, on stderr and in a file: `[YYYY-MM-DD HH:MM:SS] [LEVEL] message`, UTC.
//!
//! Each journal has an id that stands in every line and in the file, to be quoted when something went wrong.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Under `-v` alone.
    Debug,
    /// What is done.
    Info,
    /// What was done.
    Success,
    /// What should be looked at.
    Warn,
    /// What went wrong.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Success => "SUCCESS",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// A journal.
#[derive(Debug, Default)]
pub struct Journal {
    id: String,
    file: Option<(File, PathBuf)>,
    on_stderr: bool,
    debug: bool,
}

impl Journal {
    /// One that keeps nothing: for work that is a side of other work.
    pub fn silent() -> Self {
        Self::default()
    }

    /// Opens `FOLDER/NAME_<stamp>.log`; a folder that cannot be written is said once, and stderr remains.
    pub fn open(folder: &Path, name: &str, debug: bool) -> Self {
        let now = Timestamp::now();
        let stamp = now.strftime("%Y%m%d_%H%M%S").to_string();
        let id = format!("{stamp}-{:04x}", fastrand::u16(..));
        let path = folder.join(format!("{name}_{stamp}.log"));
        let opened = std::fs::create_dir_all(folder)
            .and_then(|()| File::options().create(true).append(true).open(&path));
        let mut journal = Self { id, file: None, on_stderr: true, debug };
        match opened {
            Ok(file) => journal.file = Some((file, path)),
            Err(error) => {
                let text = format!("no log file: {}: {error}", path.display());
                journal.write(Level::Warn, &text);
            }
        }
        journal
    }

    /// The id that stands in every line.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the lines are kept.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|(_, path)| path.as_path())
    }

    /// Writes a line.
    pub fn write(&mut self, level: Level, message: &str) {
        if level == Level::Debug && !self.debug {
            return;
        }
        if self.on_stderr {
            eprintln!("[{}] [{}] {message}", stamp(), level.name());
        }
        self.keep(level, message);
    }

    /// Writes a line into the file alone: whoever is told of it hears it elsewhere.
    pub fn keep(&mut self, level: Level, message: &str) {
        let Some((file, path)) = &mut self.file else { return };
        let line = format!("[{}] [{}] [{}] {message}\n", stamp(), level.name(), self.id);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, path = %path.display(), "log file");
            self.file = None;
        }
    }
}

fn stamp() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

//! Runs the tool as a person does: in a folder, with a pipeline file, to an exit code.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::{Database, wait_for};

/// A folder with `pipeline.toml` and `source.db`, and a database to load into.
pub(crate) struct Scene {
    /// The target.
    pub(crate) database: Database,
    folder: tempfile::TempDir,
}

impl Scene {
    /// A target with the extension.
    pub(crate) fn new(pipeline: &str) -> Self {
        Self::with(Database::timescale(), pipeline)
    }

    /// A target of the test's choice.
    pub(crate) fn with(database: Database, pipeline: &str) -> Self {
        let scene = Self { database, folder: tempfile::tempdir().unwrap() };
        scene.write("pipeline.toml", pipeline);
        scene
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The source, made by SQL or opened again.
    pub(crate) fn source(&self, sql: &str) -> rusqlite::Connection {
        super::source::file(&self.path("source.db"), sql)
    }

    /// The tool with some arguments, not started yet.
    pub(crate) fn millstream(&self, arguments: &[&str]) -> Tool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.args(arguments).current_dir(self.folder.path());
        for (name, _) in std::env::vars() {
            if name.starts_with("PG") || name.starts_with("MILLSTREAM_") {
                command.env_remove(name);
            }
        }
        command.env("DATABASE_URL", &self.database.url).env("NO_COLOR", "1").stdin(Stdio::null());
        Tool { command }
    }

    /// `millstream backfill pipeline.toml`
    pub(crate) fn backfill(&self) -> Tool {
        self.millstream(&["backfill", "pipeline.toml"])
    }

    /// `millstream verify pipeline.toml`
    pub(crate) fn verify(&self) -> Tool {
        self.millstream(&["verify", "pipeline.toml"])
    }
}

/// A command line.
pub(crate) struct Tool {
    command: Command,
}

impl Tool {
    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Run {
        let output = self.command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { status: output.status, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Runs it; its exit code has to be this one.
    pub(crate) fn ends(self, code: i32) -> Run {
        let run = self.run();
        let Run { status, out, err } = &run;
        assert_eq!(status.code(), Some(code), "{status}\n--- stdout\n{out}\n--- stderr\n{err}");
        run
    }

    /// Runs it as JSON.
    pub(crate) fn json(self, code: i32) -> serde_json::Value {
        let run = self.arg("--format").arg("json").ends(code);
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out))
    }

    /// Starts it. It is killed when dropped.
    pub(crate) fn start(mut self) -> Running {
        let log = tempfile::tempfile().unwrap();
        let (out, err) = (log.try_clone().unwrap(), log.try_clone().unwrap());
        Running { child: self.command.stdout(out).stderr(err).spawn().unwrap(), log }
    }
}

/// How a run ended.
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Ended by this signal.
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}

/// A run under way.
pub(crate) struct Running {
    child: Child,
    log: std::fs::File,
}

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal; a process that has just ended takes it in silence.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).ok();
    }

    /// Whether it ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        wait_for("the end of the process", limit, || self.ended())
    }

    /// Kills it as `kill -9` does; false if it had ended by itself.
    pub(crate) fn kill(&mut self) -> bool {
        self.signal(Signal::KILL);
        self.child.wait().unwrap().signal() == Some(9)
    }

    /// Resident memory at its peak so far, bytes.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// What it wrote so far, both streams.
    pub(crate) fn log(&mut self) -> String {
        use std::io::{Read as _, Seek as _};
        let mut text = String::new();
        self.log.rewind().unwrap();
        self.log.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}

//! A TimescaleDB server that a test may stop as it likes; it goes when the test ends.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{environment, wait_for};

/// As in `scripts/dev-servers.sh`: an acknowledged commit can be trusted.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n\
    fsync = on\nfull_page_writes = on\nsynchronous_commit = on\nmax_wal_size = 2GB\n\
    checkpoint_timeout = 15min\nmax_connections = 50\ntimezone = 'UTC'\n\
    shared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off\n\
    timescaledb.max_background_workers = 0\nshared_buffers = 128MB\n\
    max_locks_per_transaction = 256\n";

/// A server.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// Makes one and starts it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("millstream-it-").tempdir_in("/var/tmp");
        let folder = folder.unwrap();
        // As root the server runs as somebody else, who makes its own folder in here.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let server = Self { folder, port: free_port() };
        let locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
        let more = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];
        server.call("initdb", &[&locale[..], &more[..]].concat());
        for line in format!("port = {}\n{SETTINGS}", server.port).lines() {
            server.configure(line);
        }
        server.start();
        server
    }

    fn configure(&self, line: &str) {
        use std::io::Write as _;
        let path = self.data().join("postgresql.auto.conf");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// From now on this role has to prove who it is.
    pub(crate) fn require_password_of(&self, role: &str) {
        let path = self.data().join("pg_hba.conf");
        let rules = std::fs::read_to_string(&path).unwrap();
        let first = format!("host all {role} 127.0.0.1/32 scram-sha-256\n");
        std::fs::write(&path, first + &rules).unwrap();
        self.call("pg_ctl", &["reload"]);
    }

    /// From now on it shows this certificate to those who ask for TLS.
    pub(crate) fn show_certificate(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let given = self.folder.path().join(name);
            std::fs::write(&given, text).unwrap();
            std::fs::set_permissions(&given, std::fs::Permissions::from_mode(0o644)).unwrap();
            let words = as_server("install");
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).args(["-m", "600"]).arg(given).arg(self.data().join(name));
            assert!(command.current_dir(self.folder.path()).status().unwrap().success(), "{name}");
        }
        self.configure("ssl = on");
        self.call("pg_ctl", &["reload"]);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The superuser's URL.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A folder that belongs to the server's user.
    pub(crate) fn make_folder(&self, path: &str) {
        let words = as_server("mkdir");
        let ended = Command::new(&words[0]).args(&words[1..]).arg(path).status().unwrap();
        assert!(ended.success(), "mkdir {path}");
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        let path = PathBuf::from(environment("MILLSTREAM_TEST_PG_BIN")).join(program);
        let words = as_server(&path.display().to_string());
        let log = std::fs::File::create(self.folder.path().join(format!("{program}.log"))).unwrap();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("-D").arg(self.data()).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let ended = command.status().unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let log = || {
            let files = [format!("{program}.log"), "data/server.log".to_owned()];
            files.map(|file| std::fs::read_to_string(self.folder.path().join(file)).ok())
        };
        assert!(ended.success(), "{program} {arguments:?}: {:?}", log());
    }

    /// Starts it; after an immediate stop it recovers first.
    pub(crate) fn start(&self) {
        let log = self.data().join("server.log");
        self.call("pg_ctl", &["-l", &log.display().to_string(), "-w", "-t", "60", "start"]);
    }

    /// What pulling the plug of the server process looks like.
    pub(crate) fn stop_immediately(&self) {
        self.call("pg_ctl", &["-m", "immediate", "-w", "-t", "60", "stop"]);
    }

    fn pid(&self) -> Option<rustix::process::Pid> {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        rustix::process::Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        use rustix::process::{Signal, kill_process, test_kill_process};
        let Some(pid) = self.pid() else { return };
        // SIGQUIT is "immediate": the postmaster ends its children and leaves.
        if kill_process(pid, Signal::QUIT).is_ok() {
            let gone =
                || (self.pid() != Some(pid) || test_kill_process(pid).is_err()).then_some(());
            wait_for("the end of the server", Duration::from_secs(20), gone);
        }
    }
}

/// A program as the user that servers run as.
fn as_server(program: &str) -> Vec<String> {
    let prefix = std::env::var("MILLSTREAM_TEST_AS").unwrap_or_default();
    prefix.split_whitespace().chain([program]).map(str::to_owned).collect()
}

/// A port above 20000 that nobody listens on, below those that the kernel hands out.
pub(crate) fn free_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let tried = std::iter::repeat_with(|| fastrand::u16(20_001..32_000)).take(1_000);
    tried.into_iter().find(free).unwrap_or_else(|| panic!("no free port above 20000"))
}

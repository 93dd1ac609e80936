//! A TCP proxy that knows as much of the Postgres protocol as it takes to lose a COMMIT, or its answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use crate::support::source::{READINGS, readings};
use crate::support::{Database, Scene};

/// What becomes of a COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The line is cut before the server gets it.
    Commit,
    /// The server gets it and commits; the line is cut before the client hears of it.
    Reply,
}

#[derive(Default)]
struct Rules {
    /// Which COMMIT of a lane is lost, counted from 1 over all connections.
    lose: Option<(u64, Loss)>,
    commits: u64,
    /// COMMITs of the driver count, too.
    any: bool,
    /// Connections whose first packet holds these bytes wait here.
    hold: Option<Vec<u8>>,
    held: bool,
    /// Words of the server that arrive as others, once.
    lie: Option<(Vec<u8>, Vec<u8>)>,
}

/// Both ends of one connection.
struct Line {
    client: TcpStream,
    server: TcpStream,
    /// The next thing that the server says is lost, and the line with it.
    deaf: Mutex<bool>,
}

impl Line {
    fn cut(&self) {
        // One end may be closed already.
        self.client.shutdown(Shutdown::Both).ok();
        self.server.shutdown(Shutdown::Both).ok();
    }
}

type Shared = Arc<(Mutex<Rules>, Condvar)>;

/// Between the tool and a server, until the test ends.
pub(crate) struct Proxy {
    port: u16,
    shared: Shared,
}

impl Proxy {
    /// In front of the server of a database.
    pub(crate) fn before(database: &Database) -> Self {
        let (_, place) = database.url.split_once('@').unwrap();
        let upstream = place.split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared::default();
        let rules = Arc::clone(&shared);
        // Ends with the test's process: nextest gives each test its own.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&upstream)) else {
                    continue;
                };
                // Small messages would wait for each other's acknowledgement, 40 ms at a time.
                client.set_nodelay(true).and(server.set_nodelay(true)).unwrap();
                let line = Arc::new(Line { client, server, deaf: Mutex::new(false) });
                let (there, back) = (Arc::clone(&line), line);
                let (rules, told) = (Arc::clone(&rules), Arc::clone(&rules));
                std::thread::spawn(move || {
                    (forward(&there, &rules).is_none()).then(|| there.cut())
                });
                std::thread::spawn(move || (backward(&back, &told).is_none()).then(|| back.cut()));
            }
        });
        Self { port, shared }
    }

    /// The database behind this proxy.
    pub(crate) fn url(&self, database: &Database) -> String {
        database.url_through(self.port)
    }

    /// The n-th COMMIT of a lane from now on is lost.
    pub(crate) fn lose(&self, nth: u64, loss: Loss) {
        let mut rules = self.shared.0.lock().unwrap();
        rules.commits = 0;
        rules.lose = Some((nth, loss));
    }

    /// The next COMMIT is lost, whoever sends it.
    pub(crate) fn lose_any(&self, loss: Loss) {
        self.lose(1, loss);
        self.shared.0.lock().unwrap().any = true;
    }

    /// Whether the loss has happened.
    pub(crate) fn lost(&self) -> bool {
        self.shared.0.lock().unwrap().lose.is_none()
    }

    /// Holds back the first packet of connections that name themselves so.
    pub(crate) fn hold(&self, application: &str) {
        self.shared.0.lock().unwrap().hold = Some(application.as_bytes().to_vec());
    }

    /// The next time that the server says the one, the other arrives; both are of one length.
    pub(crate) fn lie(&self, said: &[u8], arrives: &[u8]) {
        self.shared.0.lock().unwrap().lie = Some((said.to_vec(), arrives.to_vec()));
    }

    /// Whether that has happened.
    pub(crate) fn lied(&self) -> bool {
        self.shared.0.lock().unwrap().lie.is_none()
    }

    /// Whether a connection is held back.
    pub(crate) fn holds(&self) -> bool {
        self.shared.0.lock().unwrap().held
    }

    /// Lets everything through again.
    pub(crate) fn release(&self) {
        self.shared.0.lock().unwrap().hold = None;
        self.shared.1.notify_all();
    }
}

/// Client to server, message by message; `None` at the end of the line.
fn forward(line: &Line, shared: &Shared) -> Option<()> {
    let (mut client, mut server) = (&line.client, &line.server);
    // The first packet has no type.
    let startup = packet(&mut client, Vec::new())?;
    wait_while_held(shared, &startup);
    server.write_all(&startup).ok()?;
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind).ok()?;
        let message = packet(&mut client, kind.to_vec())?;
        match loss_of(shared, &message) {
            Some(Loss::Commit) => return None,
            Some(Loss::Reply) => *line.deaf.lock().unwrap() = true,
            None => {}
        }
        server.write_all(&message).ok()?;
    }
}

/// A length and what it counts, appended.
fn packet(from: &mut &TcpStream, mut head: Vec<u8>) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    head.extend_from_slice(&length);
    let start = head.len();
    head.resize(start + usize::try_from(u32::from_be_bytes(length)).ok()? - 4, 0);
    from.read_exact(&mut head[start..]).ok()?;
    Some(head)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn wait_while_held(shared: &Shared, startup: &[u8]) {
    let (rules, changed) = &**shared;
    let mut rules = rules.lock().unwrap();
    while rules.hold.as_ref().is_some_and(|name| contains(startup, name)) {
        rules.held = true;
        rules = changed.wait(rules).unwrap();
    }
}

fn loss_of(shared: &Shared, message: &[u8]) -> Option<Loss> {
    // A lane writes it like this; other transactions of the tool are the driver's, in capitals.
    let mut rules = shared.0.lock().unwrap();
    let commit = &message[5..] == b"commit\0" || rules.any && &message[5..] == b"COMMIT\0";
    if message[0] != b'Q' || !commit {
        return None;
    }
    rules.commits += 1;
    let (nth, loss) = rules.lose?;
    (rules.commits == nth).then(|| {
        rules.lose = None;
        loss
    })
}

/// Server to client, as it comes.
fn backward(line: &Line, shared: &Shared) -> Option<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = (&line.server).read(&mut bytes).ok().filter(|count| *count > 0)?;
        // An answer to something before it may still be on its way.
        if *line.deaf.lock().unwrap() && contains(bytes.get(..count)?, b"COMMIT\0") {
            // The server answers COMMIT when it is durable: that is done now, and nobody hears of it.
            return None;
        }
        change(shared, bytes.get_mut(..count)?);
        (&line.client).write_all(bytes.get(..count)?).ok()?;
    }
}

fn change(shared: &Shared, bytes: &mut [u8]) {
    let mut rules = shared.0.lock().unwrap();
    let Some((said, arrives)) = &rules.lie else { return };
    let at = bytes.windows(said.len()).position(|window| window == said);
    if let Some(at) = at {
        bytes[at..at + arrives.len()].copy_from_slice(arrives);
        rules.lie = None;
    }
}

fn scene() -> (Scene, Proxy) {
    let scene = Scene::new(READINGS);
    readings(&scene.path("source.db"), 1_000_000);
    let proxy = Proxy::before(&scene.database);
    (scene, proxy)
}

fn a_lost(loss: Loss) {
    let (scene, proxy) = scene();
    for nth in [3, 11] {
        proxy.lose(nth, loss);
        let run = scene.backfill().env("DATABASE_URL", &proxy.url(&scene.database)).ends(0);
        assert!(proxy.lost(), "the {nth}th COMMIT was never sent");
        assert!(run.err.contains("trying again from the ledger's cursor"), "{}", run.err);
        super::exactly_once::nothing_lost_nothing_double(&scene, 1_000_000);
        scene.database.run("drop table reading; drop schema millstream cascade");
        scene.database.run("drop table migration_log");
    }
}

#[test]
fn a_commit_that_never_arrives_is_done_again() {
    a_lost(Loss::Commit);
}

#[test]
fn a_commit_whose_answer_is_swallowed_is_not_done_again() {
    a_lost(Loss::Reply);
}

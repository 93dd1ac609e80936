//! One connection to a server that is read: the wire protocol, blocking, as little of it as reading takes.
//!
//! COPY comes out of one buffer, tuple by tuple, and can be left in the middle by closing the line. The
//! messages and the proof of the password are `postgres-protocol`'s.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::ops::{ControlFlow, Range};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use super::fields::Fields;
use crate::endpoint::{Endpoint, Host};

/// Room for some hundred tuples; a longer message makes it grow.
const INBOX: usize = 256 << 10;
/// A message that says it is longer than a gigabyte and a bit is no message.
const MESSAGE_MAX: usize = (1 << 30) + (1 << 20);
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a server did not answer as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WireError {
    /// What the server calls it; none where it did not get to say anything.
    pub sqlstate: Option<String>,
    /// In words.
    pub message: String,
}

impl WireError {
    pub(super) fn lost(message: impl Into<String>) -> Self {
        Self { sqlstate: None, message: message.into() }
    }
}

impl From<std::io::Error> for WireError {
    fn from(error: std::io::Error) -> Self {
        Self::lost(error.to_string())
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) oid: u32,
    pub(super) modifier: i32,
}

/// What the statements of one message gave: columns of the last one, rows of all.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Answer {
    /// A value; the empty text for NULL and for what is not there.
    pub(super) fn text(&self, row: usize, column: usize) -> &str {
        self.rows.get(row).and_then(|row| row.get(column)?.as_deref()).unwrap_or_default()
    }
}

/// Takes a tuple, and says whether it wants another.
pub(super) type Each<'a> = dyn FnMut(&[u8]) -> Result<ControlFlow<()>, WireError> + 'a;

enum Line {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

/// A connection; closing is dropping it.
pub(super) struct Wire {
    line: Line,
    inbox: Vec<u8>,
    /// Bytes of the inbox that were received and not yet used.
    unread: Range<usize>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A server in the middle of an answer learns of it from the closed line alone.
        let mut goodbye = BytesMut::new();
        frontend::terminate(&mut goodbye);
        self.line.write_all(&goodbye).ok();
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(line) => line.read(buffer),
            Self::Unix(line) => line.read(buffer),
            Self::Tls(line) => line.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(line) => line.write(bytes),
            Self::Unix(line) => line.write(bytes),
            Self::Tls(line) => line.write(bytes),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Tcp(line) => line.flush(),
            Self::Unix(line) => line.flush(),
            Self::Tls(line) => line.flush(),
        }
    }
}

impl Line {
    fn open(endpoint: &Endpoint) -> Result<Self, WireError> {
        let mut last = WireError::lost("no host is named");
        for (host, port) in &endpoint.hosts {
            match Self::open_one(endpoint, host, *port) {
                Ok(line) => return Ok(line),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn open_one(endpoint: &Endpoint, host: &Host, port: u16) -> Result<Self, WireError> {
        let name = match host {
            Host::Unix(folder) => {
                return Ok(Self::Unix(UnixStream::connect(
                    folder.join(format!(".s.PGSQL.{port}")),
                )?));
            }
            Host::Tcp(name) => name,
        };
        let mut last = WireError::lost(format!("{name} has no address"));
        for address in (name.as_str(), port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(line) => {
                    line.set_nodelay(true)?;
                    keep_alive(&line)?;
                    return match &endpoint.tls {
                        None => Ok(Self::Tcp(line)),
                        Some(tls) => encrypt(line, name, tls),
                    };
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// Nobody waits for ever for a server to let one in; a long query may take its time.
    fn be_patient(&self, patience: Option<Duration>) -> std::io::Result<()> {
        match self {
            Self::Tcp(line) => line.set_read_timeout(patience),
            Self::Unix(line) => line.set_read_timeout(patience),
            Self::Tls(line) => line.sock.set_read_timeout(patience),
        }
    }
}

/// A far side that vanished without a word is found out after some 25 s.
fn keep_alive(line: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(line, true)?;
    sockopt::set_tcp_keepidle(line, Duration::from_secs(10))?;
    sockopt::set_tcp_keepintvl(line, Duration::from_secs(5))?;
    sockopt::set_tcp_keepcnt(line, 3)?;
    Ok(())
}

fn encrypt(
    mut line: TcpStream,
    name: &str,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<Line, WireError> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    line.set_read_timeout(Some(PATIENCE))?;
    line.write_all(&request)?;
    let mut answer = [0];
    line.read_exact(&mut answer)?;
    if answer != *b"S" {
        return Err(WireError::lost("the server does not offer TLS, and nothing goes in the open"));
    }
    let server = rustls::pki_types::ServerName::try_from(name.to_owned())
        .map_err(|error| WireError::lost(format!("TLS: {error}")))?;
    let mut session = rustls::ClientConnection::new(Arc::clone(tls), server)
        .map_err(|error| WireError::lost(format!("TLS: {error}")))?;
    while session.is_handshaking() {
        session.complete_io(&mut line).map_err(|error| WireError::lost(format!("TLS: {error}")))?;
    }
    Ok(Line::Tls(Box::new(rustls::StreamOwned::new(session, line))))
}

impl Wire {
    /// Connects and proves who one is. `application` names it in `pg_stat_activity`.
    pub(super) fn connect(endpoint: &Endpoint, application: &str) -> Result<Self, WireError> {
        let mut wire = Self { line: Line::open(endpoint)?, inbox: vec![0; INBOX], unread: 0..0 };
        wire.line.be_patient(Some(PATIENCE))?;
        super::login::log_in(&mut wire, endpoint, application)?;
        wire.line.be_patient(None)?;
        Ok(wire)
    }

    /// Sends a message that `write` puts together.
    pub(super) fn send(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
    ) -> Result<(), WireError> {
        let mut message = BytesMut::new();
        write(&mut message)?;
        self.line.write_all(&message)?;
        Ok(self.line.flush()?)
    }

    /// The next message: its kind, and where its body is until the next call.
    pub(super) fn next(&mut self) -> Result<(u8, Range<usize>), WireError> {
        while self.unread.len() < 5 {
            self.receive(5)?;
        }
        let head = self.inbox.get(self.unread.start..self.unread.start + 5);
        let Some(&[kind, a, b, c, d]) = head else { return Err(garbled()) };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| garbled())?;
        if !(4..MESSAGE_MAX).contains(&length) {
            return Err(garbled());
        }
        while self.unread.len() < length + 1 {
            self.receive(length + 1)?;
        }
        let body = self.unread.start + 5..self.unread.start + 1 + length;
        self.unread.start = body.end;
        Ok((kind, body))
    }

    /// Bytes of the last message.
    pub(super) fn body(&self, body: Range<usize>) -> &[u8] {
        self.inbox.get(body).unwrap_or_default()
    }

    /// Reads more, so that `wanted` bytes in a row have room.
    fn receive(&mut self, wanted: usize) -> Result<(), WireError> {
        if self.unread.start + wanted > self.inbox.len() || self.unread.is_empty() {
            self.inbox.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            if wanted > self.inbox.len() {
                self.inbox.resize(wanted, 0);
            }
        }
        let room = self.inbox.get_mut(self.unread.end..).unwrap_or_default();
        let count = loop {
            match self.line.read(room) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if count == 0 {
            return Err(WireError::lost("the server closed the connection"));
        }
        self.unread.end += count;
        Ok(())
    }

    /// Runs statements; values come as text.
    pub(super) fn run(&mut self, sql: &str) -> Result<Answer, WireError> {
        self.send(|out| frontend::query(sql, out))?;
        let mut answer = Answer::default();
        let mut failed = None;
        loop {
            let (kind, body) = match self.next() {
                Ok(message) => message,
                // A session that was ended says why before the line goes.
                Err(error) => return Err(failed.unwrap_or(error)),
            };
            let body = self.body(body);
            match kind {
                b'T' => answer.columns = columns(body).ok_or_else(garbled)?,
                b'D' => answer.rows.push(row(body).ok_or_else(garbled)?),
                b'E' => failed = Some(error(body)),
                b'Z' => return failed.map_or(Ok(answer), Err),
                _ => {}
            }
        }
    }

    /// Runs `copy … to stdout (format binary)` and hands out each tuple, without its header. Gives the
    /// number of rows the server says it sent; nothing where `each` stopped it, and then the connection is
    /// of no more use.
    pub(super) fn copy_out(
        &mut self,
        sql: &str,
        each: &mut Each<'_>,
    ) -> Result<Option<u64>, WireError> {
        self.send(|out| frontend::query(sql, out))?;
        let (mut first, mut failed, mut sent) = (true, None, 0);
        loop {
            let (kind, body) = match self.next() {
                Ok(message) => message,
                Err(error) => return Err(failed.unwrap_or(error)),
            };
            let body = self.body(body);
            match kind {
                b'd' => {
                    // Signature, flags, an empty extension; then the tuples, and -1 for their end.
                    let tuple =
                        if std::mem::take(&mut first) { body.get(19..) } else { Some(body) };
                    let tuple = tuple.ok_or_else(garbled)?;
                    if !tuple.is_empty() && tuple != [0xff, 0xff] && each(tuple)?.is_break() {
                        return Ok(None);
                    }
                }
                b'C' => {
                    let words = String::from_utf8_lossy(body.strip_suffix(&[0]).unwrap_or(body));
                    sent = words.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                }
                b'E' => failed = Some(error(body)),
                b'Z' => return failed.map_or(Ok(Some(sent)), Err),
                _ => {}
            }
        }
    }
}

pub(super) fn garbled() -> WireError {
    WireError::lost("the server's answer cannot be read: is it PostgreSQL?")
}

/// Code and words of an error the server sent.
pub(super) fn error(body: &[u8]) -> WireError {
    let mut error = WireError { sqlstate: None, message: String::new() };
    for field in body.split(|byte| *byte == 0) {
        let Some((kind, text)) = field.split_first() else { continue };
        let text = String::from_utf8_lossy(text);
        match kind {
            b'C' => error.sqlstate = Some(text.into_owned()),
            b'M' => error.message = text.into_owned(),
            _ => {}
        }
    }
    error
}

fn text_until_zero(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((String::from_utf8_lossy(text).into_owned(), rest.get(1..)?))
}

fn columns(body: &[u8]) -> Option<Vec<Column>> {
    let mut rest = body.get(2..)?;
    let mut columns = Vec::new();
    while !rest.is_empty() {
        let (name, tail) = text_until_zero(rest)?;
        let (fixed, tail) = tail.split_first_chunk::<18>()?;
        // Table, number, type, size, modifier, format.
        let oid = u32::from_be_bytes(fixed.get(6..10)?.try_into().ok()?);
        let modifier = i32::from_be_bytes(fixed.get(12..16)?.try_into().ok()?);
        columns.push(Column { name, oid, modifier });
        rest = tail;
    }
    Some(columns)
}

fn row(body: &[u8]) -> Option<Vec<Option<String>>> {
    let mut values = Vec::new();
    for field in Fields::of(body)? {
        values.push(field?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    }
    Some(values)
}

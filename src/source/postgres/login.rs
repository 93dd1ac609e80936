//! The beginning of a connection: who one is, and the settings of a reader.

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

use super::wire::{Wire, WireError, error, garbled};
use crate::endpoint::Endpoint;

/// Settings of the session, where the server has them. Its own time-outs are for sessions that somebody
/// forgot; row security is an error and not a silent filter; a table without a key is read in the order
/// in which it lies there.
const SETTINGS: &str = "select set_config(s.name, v.value, false) from (values \
    ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), \
    ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('lock_timeout', '60s'), \
    ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), \
    ('row_security', 'off'), ('synchronize_seqscans', 'off'), ('jit', 'off'), \
    ('max_parallel_workers_per_gather', '0'), ('extra_float_digits', '3')) v(name, value) \
    join pg_catalog.pg_settings s on s.name = v.name";

/// Says who one is, proves it, and makes the session a reader's.
pub(super) fn log_in(
    wire: &mut Wire,
    endpoint: &Endpoint,
    application: &str,
) -> Result<(), WireError> {
    let parameters = [
        ("user", endpoint.user.as_str()),
        ("database", endpoint.database.as_str()),
        ("application_name", application),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "UTC"),
    ];
    wire.send(|out| frontend::startup_message(parameters, out))?;
    let mut scram = None;
    loop {
        let (kind, body) = wire.next()?;
        let body = wire.body(body).to_vec();
        match kind {
            b'R' => prove(wire, endpoint, &body, &mut scram)?,
            b'E' => return Err(error(&body)),
            b'Z' => break,
            _ => {}
        }
    }
    wire.run(SETTINGS).map(drop)
}

fn prove(
    wire: &mut Wire,
    endpoint: &Endpoint,
    body: &[u8],
    scram: &mut Option<ScramSha256>,
) -> Result<(), WireError> {
    let (kind, rest) = body.split_first_chunk::<4>().ok_or_else(garbled)?;
    let password = || {
        endpoint.password.clone().ok_or_else(|| WireError {
            sqlstate: Some("28P01".to_owned()),
            message: format!(
                "the server asks for a password, and neither the URL nor {} has one",
                super::PASSWORD
            ),
        })
    };
    match u32::from_be_bytes(*kind) {
        0 => Ok(()),
        3 => {
            let password = password()?;
            wire.send(|out| frontend::password_message(&password, out))
        }
        5 => {
            let salt = rest.first_chunk::<4>().ok_or_else(garbled)?;
            let hash = md5_hash(endpoint.user.as_bytes(), &password()?, *salt);
            wire.send(|out| frontend::password_message(hash.as_bytes(), out))
        }
        10 => {
            if !rest.split(|byte| *byte == 0).any(|word| word == SCRAM_SHA_256.as_bytes()) {
                return Err(WireError::lost("the server offers no way to log in but SCRAM-PLUS"));
            }
            let proof = ScramSha256::new(&password()?, ChannelBinding::unsupported());
            let first = proof.message().to_vec();
            *scram = Some(proof);
            wire.send(|out| frontend::sasl_initial_response(SCRAM_SHA_256, &first, out))
        }
        11 => {
            let proof = scram.as_mut().ok_or_else(garbled)?;
            proof.update(rest)?;
            let answer = proof.message().to_vec();
            wire.send(|out| frontend::sasl_response(&answer, out))
        }
        12 => Ok(scram.as_mut().ok_or_else(garbled)?.finish(rest)?),
        other => Err(WireError::lost(format!(
            "the server wants a login of kind {other}, which is not spoken here: allow scram-sha-256"
        ))),
    }
}

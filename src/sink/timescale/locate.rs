//! Finding the row that the server refuses.

use bytes::Bytes;
use futures_util::SinkExt as _;

use super::TimescaleSink;
use crate::sink::{Encoded, SinkError, copy};

impl TimescaleSink {
    /// Which row made COPY fail: by the line that the server names, else by halving, in transactions
    /// that are all rolled back.
    pub(super) async fn locate(
        &self,
        rows: &Encoded,
        error: SinkError,
    ) -> Result<SinkError, SinkError> {
        let SinkError::Database { error: cause, in_copy: true } = &error else { return Ok(error) };
        let Some(server) = cause.as_db_error() else { return Ok(error) };
        let made = rows.origins.len();
        let line = server.where_().and_then(line_number);
        let row = match line.filter(|line| (1..=made).contains(line)) {
            Some(line) => line - 1,
            None => self.bisect(rows).await?,
        };
        Ok(SinkError::Row {
            row,
            sqlstate: server.code().code().to_owned(),
            message: server.message().to_owned(),
            column: server.column().map(str::to_owned),
        })
    }

    async fn bisect(&self, rows: &Encoded) -> Result<usize, SinkError> {
        let tuples = copy::tuples(&rows.copy);
        let (mut low, mut high) = (0, rows.origins.len());
        // The first `low` rows are fine; among the first `high` one is not.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let first = tuples.get(..middle).unwrap_or_default();
            if self.fits(first, rows).await? {
                low = middle;
            } else {
                high = middle;
            }
        }
        if self.fits(tuples.get(..=low).unwrap_or_default(), rows).await? {
            return Err(SinkError::Vanished);
        }
        Ok(low)
    }

    async fn fits(&self, tuples: &[Bytes], rows: &Encoded) -> Result<bool, SinkError> {
        self.client().batch_execute("rollback").await?;
        self.begin(rows).await?;
        let sink = self.client().copy_in::<_, Bytes>(&self.statements.copy).await?;
        futures_util::pin_mut!(sink);
        let mut parts = vec![Bytes::from_static(copy::HEADER)];
        parts.extend(tuples.iter().cloned());
        parts.push(Bytes::copy_from_slice(&copy::TRAILER));
        for part in parts {
            if sink.as_mut().feed(part).await.is_err() {
                break;
            }
        }
        let mut outcome = sink.finish().await;
        if let (Ok(_), Some(merge)) = (&outcome, &self.statements.merge) {
            outcome = self.client().execute(merge, &[]).await;
        }
        self.client().batch_execute("rollback").await?;
        match outcome {
            Ok(_) => Ok(true),
            Err(error) => {
                let error = SinkError::Database { error, in_copy: true };
                // A time-out or a full lock table says nothing about the rows.
                if error.fault() == crate::fault::Fault::Reject { Ok(false) } else { Err(error) }
            }
        }
    }
}

/// `COPY t, line 701, column x` → 701. Only the number is read: the words are localised.
fn line_number(context: &str) -> Option<usize> {
    let after_table = context.strip_prefix("COPY ")?.split_once(", ")?.1;
    let digits = after_table.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_copy_error_is_read() {
        assert_eq!(line_number("COPY metric_hist, line 701"), Some(701));
        assert_eq!(line_number("COPY t, line 3, column 7: \"x\""), Some(3));
        assert_eq!(line_number("SQL statement \"SELECT 1\""), None);
    }
}

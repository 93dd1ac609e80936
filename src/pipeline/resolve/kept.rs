//! How long the target keeps rows, against how far back the source goes.

use crate::config::Problems;
use crate::config::plan::TablePlan;
use crate::transform::clock::format_utc;

/// What is loaded and dropped again is a load that nobody asked for.
pub(super) fn check(
    table: &TablePlan,
    low: i64,
    retention: Option<&(String, i64)>,
    problems: &mut Problems,
) {
    let Some((kept, since)) = retention.filter(|(_, since)| low < *since) else { return };
    let message = format!(
        "rows go back to {}, and {} keeps {kept}: a retention policy drops what is older than {}",
        format_utc(low),
        table.to,
        format_utc(*since),
    );
    if table.accept_retention {
        problems.warn(table.place, &table.key, message, "accepted by accept_retention");
        return;
    }
    let hint = "keep them longer (`retain` in a policy file, then `millstream policy apply`), load \
                less (--from), or set accept_retention = true";
    problems.error(table.place, &table.key, message, hint);
}

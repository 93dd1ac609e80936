//! `millstream audit`

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use millstream::audit::{self, Options};
use millstream::observe::progress::Progress;
use millstream::observe::report::Format;

use super::{Common, Ended, Usage};

/// Profile a SQLite file, find out what its times mean, and write its pipeline file.
///
/// The file is only read. A zone is written down with its evidence; what cannot be proven is left as
/// "?", and no command runs before somebody answers it.
///
/// Example: `millstream audit production.db --out production.toml --site-zone Africa/Johannesburg`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The SQLite file.
    source: PathBuf,
    /// The pipeline file to write.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The zone of the site, if it is known: fixed offsets that are its own bear its name.
    #[arg(long, value_name = "ZONE")]
    site_zone: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    if let Some(out) = arguments.out.as_ref().filter(|out| out.symlink_metadata().is_ok()) {
        let message = format!("{} exists: remove it or name another", out.display());
        return Err(Usage(message).into());
    }
    if arguments.source.to_string_lossy().contains("://") {
        let message = "audit reads SQLite files; this is a URL";
        return Err(Usage(message.to_owned()).into());
    }
    let options = Options { site_zone: arguments.site_zone.clone(), modified: modified(arguments) };
    let progress = Progress::new(common.progress, 0);
    let mut heard = |done: u64, total: u64| {
        progress.expect(total);
        progress.at(done);
    };
    let audit = audit::sqlite(&arguments.source, options, &mut heard);
    progress.finish();
    let audit = audit.map_err(|error| match error {
        broken @ audit::AuditError::Query { .. } => anyhow::Error::new(broken),
        wrong => Usage(wrong.to_string()).into(),
    })?;
    let with_shapes = common.verbose > 0 || common.format == Format::Json;
    let mut report = audit.report(with_shapes);
    match &arguments.out {
        Some(out) => {
            std::fs::write(out, audit.pipeline_file())
                .map_err(|error| anyhow::anyhow!("{}: {error}", out.display()))?;
            report.fact("pipeline_file", out.display().to_string());
            let next = if audit.open().is_empty() {
                format!("next: millstream check {}", out.display())
            } else {
                format!("next: answer each \"?\" in {0}, then millstream check {0}", out.display())
            };
            report.note(next);
        }
        None => report.note("--out my.toml writes the pipeline file that follows from this"),
    }
    super::print(&report, common)?;
    Ok(Ended::DONE)
}

/// When the file, or the log beside it, was written last; µs since 2000.
fn modified(arguments: &Arguments) -> Option<i64> {
    let mut log = arguments.source.as_os_str().to_owned();
    log.push("-wal");
    let of = |path: &std::path::Path| path.metadata().ok()?.modified().ok();
    let newest = of(&arguments.source).max(of(&PathBuf::from(log)))?;
    let seconds = newest.duration_since(UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok().map(|seconds| (seconds - 946_684_800) * 1_000_000)
}

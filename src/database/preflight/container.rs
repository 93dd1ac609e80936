//! The container engine, where there is one, and the database's container, where it is in one.

use std::path::PathBuf;

use super::tools::ask;
use super::{Judged, enter, pass};
use crate::database::finding::{Findings, Verdict};

const AREA: &str = "container";

/// The first docker whose compose knows health and profiles.
const DOCKER_MIN: (u32, u32) = (20, 10);

/// An engine that answers.
struct Engine {
    name: &'static str,
    program: PathBuf,
    version: String,
}

/// `port`: where the database is, if it is reached on this machine.
pub(super) fn check(findings: &mut Findings, port: Option<u16>) {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(why) => return findings.skip(AREA, "engine", why),
    };
    enter(findings, (AREA, "engine"), version(engine.name, &engine.version));
    let Some(port) = port else {
        return findings.skip(AREA, "database", "the database is on another machine");
    };
    match ask(&engine.program, &["ps", "--format", "{{.Names}}|{{.Ports}}|{{.Status}}"]) {
        Ok(listed) => enter(findings, (AREA, "database"), health(engine.name, port, &listed)),
        Err(why) => findings.skip(AREA, "database", why),
    }
}

/// The first engine that answers, or why there is none.
fn engine() -> Result<Engine, String> {
    let mut why = "no engine".to_owned();
    let asked = [("docker", "{{.ServerVersion}}"), ("podman", "{{.Version.Version}}")];
    for (name, field) in asked {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = std::env::split_paths(&path).map(|folder| folder.join(name));
        let Some(program) = programs.into_iter().find(|program| program.is_file()) else {
            continue;
        };
        match ask(&program, &["info", "--format", field]) {
            Ok(version) if version.starts_with(|c: char| c.is_ascii_digit()) => {
                return Ok(Engine { name, program, version });
            }
            Ok(_) => why = format!("no engine: {name} is there, its server does not answer"),
            Err(said) => why = format!("no engine: {name} says: {said}"),
        }
    }
    Err(why)
}

fn version(name: &str, version: &str) -> Judged {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let found = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if name == "docker" && found < DOCKER_MIN {
        let (major, minor) = DOCKER_MIN;
        let remedy = format!("update docker to {major}.{minor} or newer");
        return (Verdict::Warn, format!("{name} {version}"), remedy);
    }
    pass(format!("{name} {version}"))
}

/// `listed`: a line a container, name, ports and status with bars between.
fn health(engine: &str, port: u16, listed: &str) -> Judged {
    let published = format!(":{port}->");
    let ours = listed.lines().find_map(|line| {
        let mut fields = line.split('|');
        let (name, ports, status) = (fields.next()?, fields.next()?, fields.next()?);
        ports.contains(&published).then_some((name, status))
    });
    let Some((name, status)) = ours else {
        return pass(format!("no container publishes port {port}: it runs outside {engine}"));
    };
    let found = format!("{name}: {status}");
    if status.contains("(unhealthy)") || !status.starts_with("Up") {
        return (
            Verdict::Fail,
            found,
            format!("see {engine} logs {name}, then {engine} restart {name}"),
        );
    }
    if status.contains("starting") {
        return (Verdict::Warn, found, "wait until it is healthy".to_owned());
    }
    pass(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_has_an_oldest_version() {
        assert_eq!(version("docker", "20.10.24").0, Verdict::Pass);
        assert_eq!(version("docker", "28.2.2").0, Verdict::Pass);
        assert_eq!(version("docker", "19.03.15").0, Verdict::Warn);
        assert_eq!(version("podman", "4.3.1").0, Verdict::Pass);
    }

    #[test]
    fn the_databases_container_is_known_by_its_port() {
        let judge = |status: &str| {
            let listed = format!(
                "web|0.0.0.0:15432->80/tcp|Up 2 days (unhealthy)\n\
                 db|0.0.0.0:5432->5432/tcp, [::]:5432->5432/tcp|{status}"
            );
            health("docker", 5432, &listed)
        };
        assert_eq!(judge("Up 2 days (healthy)"), pass("db: Up 2 days (healthy)"));
        assert_eq!(judge("Up 2 days"), pass("db: Up 2 days"));
        assert_eq!(judge("Up 3 seconds (health: starting)").0, Verdict::Warn);
        let (verdict, _, remedy) = judge("Up 2 days (unhealthy)");
        assert_eq!(verdict, Verdict::Fail);
        assert!(remedy.contains("docker logs db"), "{remedy}");
        assert_eq!(judge("Restarting (1) 5 seconds ago").0, Verdict::Fail);
        let (verdict, found, _) = health("docker", 6000, "");
        assert_eq!(verdict, Verdict::Pass);
        assert!(found.contains("outside docker"), "{found}");
    }
}

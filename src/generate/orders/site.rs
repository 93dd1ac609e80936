//! Rows about the place: machines, environments, settings.

use super::super::plant::{Activity, DAY, NOW};
use super::book::{Book, LOST_MACHINES};
use super::times::{date, utc};
use super::{HOUR, Row, Sheet, Value, number, text};

/// Machines whose crews work two days, two nights, and rest for two.
pub(super) const CYCLED: [usize; 3] = [0, 1, 4];

/// How long ago the cycle came in.
pub(super) const CYCLE_DAYS: i64 = 120;

pub(super) fn machines(book: &Book<'_>) -> Sheet {
    let mut rows = Vec::new();
    for (index, machine) in book.plant.machines.iter().enumerate() {
        let cycled = CYCLED.contains(&index);
        let now = book.orders.iter().filter(|order| order.life.machine == index);
        let mut activities = now.map(|order| order.life.activity(NOW));
        let busy = activities.find(|now| !matches!(now, Activity::Waiting | Activity::Done));
        let status = match busy {
            _ if index == 8 => "offline",
            Some(Activity::Stopped(stop)) if stop.reason.code == "maintenance" => "maintenance",
            Some(_) => "in_use",
            None => "available",
        };
        rows.push(Row::at(
            machine.commissioned,
            vec![
                number(Book::machine_id(index)),
                text(machine.name),
                text(machine.kind),
                text(status),
                text(machine.environment),
                number(machine.rate * 60),
                number(machine.rate),
                number(i64::from(cycled)),
                if cycled { date(NOW - CYCLE_DAYS * DAY) } else { Value::Null },
                number(if cycled { 6 } else { 1 }),
                number(2),
                number(1),
                number(3),
            ],
        ));
    }
    let highest = LOST_MACHINES.into_iter().max();
    Sheet::new("machines", rows).with_sequence(highest.unwrap_or(0))
}

pub(super) fn environments(book: &Book<'_>) -> Sheet {
    let founded = book.plant.founded + 7 * HOUR;
    let list: [[&str; 4]; 5] = [
        ["production", "PROD", "green", r#"["Canning Line","Bulk Line"]"#],
        ["blending", "BLND", "blue", r#"["Blender"]"#],
        ["packaging", "PACK", "orange", r#"["Bagger","Loader","Case Packer","Palletiser"]"#],
        ["beverage", "BEV", "purple", r#"["Filler"]"#],
        ["seasoning", "SEAS", "red", "[]"],
    ];
    let rows = list.into_iter().zip(1_i64..).map(|([name, code, color, types], id)| {
        let created = founded + (id - 1) * 37;
        let updated = if id == 3 { NOW - 9 * DAY } else { created };
        let description =
            if id % 2 == 0 { Value::Null } else { text(&format!("All of {name}, café included")) };
        Row::at(
            created,
            vec![
                number(id),
                text(name),
                text(code),
                description,
                text(color),
                text(types),
                utc(created),
                utc(updated),
            ],
        )
    });
    Sheet::new("environments", rows.collect())
}

pub(super) fn settings(book: &Book<'_>) -> Sheet {
    let list: [[&str; 2]; 5] = [
        ["shift_hours", r#"{"day":{"start":6,"end":18},"night":{"start":18,"end":6}}"#],
        ["company_name", r#""Boulder Pass Foods (Pty) Ltd""#],
        ["oee_target", "85.5"],
        ["auto_archive", "true"],
        ["notify", r#"{"emails":["shift@example.com"],"on":["stop","complete"],"quiet":null}"#],
    ];
    let rows = list
        .into_iter()
        .map(|[key, value]| Row::at(book.plant.founded, vec![text(key), text(value)]));
    Sheet::new("system_settings", rows.collect())
}

pub(super) fn migrations(book: &Book<'_>) -> Sheet {
    let list = [
        "add-archived-to-orders",
        "add-stop-category",
        "create-shift-reports",
        "shift-cycle-system",
    ];
    let age = NOW - book.plant.founded;
    let rows = list.into_iter().zip(1_i64..).map(|(name, nth)| {
        Row::at(book.plant.founded + age * nth / 5, vec![text(&format!("{nth:03}-{name}"))])
    });
    Sheet::new("migrations", rows.collect())
}

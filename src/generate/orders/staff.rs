//! Rows about people: accounts, attendance, who works where, crews.

use std::collections::BTreeSet;

use super::super::plant::{DAY, NOW, Person, Role};
use super::book::Book;
use super::site::{CYCLE_DAYS, CYCLED};
use super::times::{date, sast, utc};
use super::{HOUR, Rng, Row, Sheet, Value, number, text};

const COMPANIES: [&str; 3] = ["Boulder Pass Foods", "Northbank Staffing", "Quay Labour"];

fn role(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Supervisor => "supervisor",
        Role::Operator => "operator",
        Role::Packer => "packer",
    }
}

fn full_name(person: &Person) -> String {
    format!("{} {}", person.first, person.last)
}

pub(super) fn users(book: &Book<'_>) -> Sheet {
    let people = &book.plant.people;
    let there =
        people.iter().enumerate().filter(|(_, person)| person.left.is_none_or(|left| left > NOW));
    let rows = there.map(|(index, person)| {
        Row::changing(person.hired, book.cutoff, |as_of| user_row(book, index, person, as_of))
    });
    Sheet::new("users", rows.collect())
        .with_sequence(i64::try_from(people.len()).unwrap_or(i64::MAX))
}

fn user_row(book: &Book<'_>, index: usize, person: &Person, as_of: i64) -> Vec<Value> {
    let mut rng = Rng::new(book.plant.seed, &format!("user {index}"));
    let id = Book::user_id(index);
    // Entered one after the other, whoever came on the same day.
    let created = person.hired + id * 97 + rng.between(0, 90);
    let created = created.min(NOW - HOUR);
    let login = rng.between(created, NOW);
    let seldom = person.role == Role::Packer && !rng.chance(150);
    let username = format!("{}{id}", person.first.to_lowercase());
    let letters = ["a", "k", "Q", "z", "7", "3", "M", "w", ".", "/"];
    let hash: String = (0..53).map(|_| rng.pick(&letters)).collect();
    let machine = &book.plant.machines[rng.below(book.plant.machines.len())];
    let sometimes = |yes: bool, value: Value| if yes { value } else { Value::Null };
    let phone = format!("+27 00 000 {:04}", rng.below(10_000));
    vec![
        number(id),
        text(&username),
        text(&format!("{}.{id}@example.com", person.employee_code.to_lowercase())),
        text(&format!("$2b$10${hash}")),
        text(role(person.role)),
        number(i64::from(!rng.chance(70))),
        utc(created),
        sometimes(!seldom && login <= as_of, utc(login)),
        sometimes(id != 1, text(&full_name(person))),
        sometimes(rng.chance(300), text(&phone)),
        sometimes(id != 1, text(rng.pick(&COMPANIES))),
        sometimes(person.role == Role::Operator, text(machine.name)),
        sometimes(id != 1, text(&person.employee_code)),
    ]
}

/// Midnights, UTC, from the founding on.
fn days(book: &Book<'_>, until: i64) -> impl Iterator<Item = i64> + use<> {
    let founded = book.plant.founded;
    (0..).map(move |day| founded + day * DAY).take_while(move |day| *day < until)
}

pub(super) fn attendance(book: &Book<'_>) -> Sheet {
    let mut rng = Rng::new(book.plant.seed, "attendance");
    let mut rows = Vec::new();
    for day in days(book, NOW) {
        let modern = book.plant.growth(day) > 400;
        for person in book.plant.people.iter().filter(|person| person.works_at(day)) {
            if !rng.chance(450) {
                continue;
            }
            let id = i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1;
            let shift = rng.pick(&["Dayshift", "Dayshift", "Nightshift"]);
            let shift = if modern { shift.to_owned() } else { shift.to_lowercase() };
            let area = rng.pick(&["Packaging", "Blending", "beverage", ""]);
            let present = rng.pick(&["present", "present", "present", "present", "absent", "late"]);
            let status = if day + DAY > NOW { "pending" } else { present };
            let company = if rng.chance(100) { Value::Null } else { text(rng.pick(&COMPANIES)) };
            rows.push(Row::at(
                day + 60,
                vec![
                    number(id),
                    date(day),
                    text(&person.employee_code),
                    text(&full_name(person)),
                    if area.is_empty() { Value::Null } else { text(area) },
                    text(role(person.role)),
                    text(&shift),
                    company,
                    text(status),
                ],
            ));
        }
    }
    Sheet::new("daily_attendance", rows)
}

pub(super) fn labor(book: &Book<'_>) -> Sheet {
    let mut rng = Rng::new(book.plant.seed, "labor");
    let mut rows = Vec::new();
    let mut taken = BTreeSet::new();
    // Plans reach two days ahead.
    for day in days(book, NOW + 2 * DAY) {
        for (machine, _) in
            book.plant.machines.iter().enumerate().filter(|(_, it)| it.commissioned <= day)
        {
            for shift in ["day", "night"] {
                let job = rng.pick(&["Packer", "Packer", "Operator", "Hopper Loader"]);
                let kind = if job == "Operator" { Role::Operator } else { Role::Packer };
                let user = Book::user_id(book.plant.someone(&mut rng, kind, day));
                let state = rng.pick(&["completed", "completed", "present", "absent"]);
                if !rng.chance(550) || !taken.insert((user, day, shift)) {
                    continue;
                }
                let id = i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1;
                let planned = day + 4 * HOUR > NOW;
                rows.push(Row::at(
                    (day - 10 * HOUR).min(NOW),
                    vec![
                        number(id),
                        number(user),
                        number(Book::machine_id(machine)),
                        date(day),
                        text(shift),
                        text(if planned { "planned" } else { state }),
                        if id % 5 == 0 { Value::Null } else { number(user) },
                        text(job),
                    ],
                ));
            }
        }
    }
    Sheet::new("labor_assignments", rows)
}

pub(super) fn supervisors(book: &Book<'_>) -> Sheet {
    let mut rng = Rng::new(book.plant.seed, "supervisors");
    let mut rows = Vec::new();
    for day in days(book, NOW) {
        // The list is made the afternoon before, on the first day at once.
        let listed = (day - rng.between(6 * HOUR, 12 * HOUR)).max(book.plant.founded);
        for shift in ["day", "night"] {
            let id = i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1;
            let written = listed + (id + 1) % 2 * 40;
            let supervisor = book.plant.someone(&mut rng, Role::Supervisor, day);
            rows.push(Row::at(
                written,
                vec![
                    number(id),
                    number(Book::user_id(supervisor)),
                    date(day),
                    text(shift),
                    utc(written),
                    number(1),
                ],
            ));
        }
    }
    Sheet::new("shift_supervisors", rows)
}

pub(super) fn overrides(book: &Book<'_>) -> Sheet {
    let mut rng = Rng::new(book.plant.seed, "overrides");
    let mut rows = Vec::new();
    for day in days(book, NOW) {
        if !rng.chance(140) {
            continue;
        }
        let id = i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1;
        let written = (day + rng.between(3 * HOUR, 20 * HOUR)).min(NOW - 600);
        let packer = book.plant.someone(&mut rng, Role::Packer, day);
        let boss = book.plant.someone(&mut rng, Role::Supervisor, day);
        rows.push(Row::at(
            written,
            vec![
                number(id),
                number(Book::user_id(packer)),
                text("packer"),
                text(rng.pick(&["operator", "Hopper Loader"])),
                date(day),
                text(rng.pick(&["day", "night", "both"])),
                number(Book::user_id(boss)),
                if rng.chance(300) { text("stands in") } else { Value::Null },
                sast(written),
            ],
        ));
    }
    Sheet::new("daily_role_overrides", rows)
}

/// When the crews were entered.
const CREWS_ENTERED: i64 = NOW - CYCLE_DAYS * DAY - 3 * HOUR;

pub(super) fn crews(book: &Book<'_>) -> Sheet {
    let mut rng = Rng::new(book.plant.seed, "crews");
    let mut rows = Vec::new();
    for machine in CYCLED {
        for (letter, offset) in [("A", 0), ("B", 2), ("C", 4)] {
            let id = i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1;
            let entered = CREWS_ENTERED + id * 70;
            let count = rng.between(0, 5);
            let members: Vec<String> = (0..count)
                .map(|_| book.plant.someone(&mut rng, Role::Packer, CREWS_ENTERED))
                .map(|person| Book::user_id(person).to_string())
                .collect();
            rows.push(Row::at(
                entered,
                vec![
                    number(id),
                    number(Book::machine_id(machine)),
                    text(letter),
                    number(offset),
                    text(&format!("[{}]", members.join(","))),
                    number(1),
                    sast(entered),
                    sast(entered + rng.between(0, 30) * DAY),
                    number(1),
                ],
            ));
        }
    }
    Sheet::new("machine_crews", rows)
}

pub(super) fn crew_assignments(_book: &Book<'_>) -> Sheet {
    let mut rows = Vec::new();
    let first = NOW - NOW % DAY - CYCLE_DAYS * DAY;
    // The plan is made for a week, on its first day.
    for day in 0..CYCLE_DAYS + 7 {
        let written = first + day / 7 * 7 * DAY + 9 * HOUR;
        if written > NOW {
            break;
        }
        for (place, machine) in (0_i64..).zip(CYCLED) {
            for crew in 0..3 {
                let shift = match (day + crew * 2) % 6 {
                    0 | 1 => "day",
                    2 | 3 => "night",
                    _ => "rest",
                };
                let id = i64::try_from(rows.len()).unwrap_or(i64::MAX - 1) + 1;
                let swapped = id % 67 == 5;
                let row = vec![
                    number(id),
                    number(Book::machine_id(machine)),
                    number(place * 3 + crew + 1),
                    date(first + day * DAY),
                    text(if swapped { "rest" } else { shift }),
                    number(i64::from(!swapped)),
                    number(i64::from(swapped)),
                    if swapped { text("swapped with B") } else { Value::Null },
                    sast(written),
                    number(1),
                ];
                rows.push(Row::at(written, row));
            }
        }
    }
    Sheet::new("crew_assignments", rows)
}

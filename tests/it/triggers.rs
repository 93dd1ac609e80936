//! Triggers of a target that is loaded: an error of `check`, or off for the load and back as they were.

use crate::support::{Database, Scene};

const PIPELINE: &str = "name = \"visits\"\n[source]\nsqlite = \"source.db\"\n[limits]\nbatch_rows = 100\n\
    [[table]]\nfrom = \"visit\"\nto = \"public.visit\"\n";

/// Each state that a trigger can be in; those that are on count what they see.
const TARGET: &str = "create table visit (id bigint primary key, who text check (who <> 'nobody'));
    create table counted (id bigint);
    create function count_visit() returns trigger language plpgsql as
        $$ begin insert into counted values (new.id); return new; end $$;
    create trigger usual after insert on visit for each row execute function count_visit();
    create trigger \"Always on\" after insert on visit for each row execute function count_visit();
    create trigger copied after insert on visit for each row execute function count_visit();
    create trigger resting after insert on visit for each row execute function count_visit();
    create trigger edited before update on visit for each row execute function count_visit();
    alter table visit enable always trigger \"Always on\", enable replica trigger copied,
        disable trigger resting";

const STATES: &str =
    "select string_agg(tgname || ' ' || tgenabled::text, ', ' order by tgname) from pg_trigger
    where tgrelid = 'visit'::regclass";
const AS_MADE: &str = "Always on A, copied R, edited O, resting D, usual O";
const ALL_OFF: &str = "Always on D, copied D, edited D, resting D, usual D";
const OWED: &str =
    "select count(*) from millstream.ddl_debt where state = 'owed' and kind = 'trigger'";

fn scene(database: Database) -> Scene {
    let scene = Scene::with(database, &format!("{PIPELINE}triggers = \"suspend\"\n"));
    scene.database.run(TARGET);
    scene.source(
        "create table visit (id integer primary key, who text);
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000)
         insert into visit select i, 'guest ' || i from n",
    );
    scene
}

fn whole(scene: &Scene, point: &str) {
    assert_eq!(scene.database.text(STATES), AS_MADE, "{point}");
    assert_eq!(scene.database.number(OWED), 0, "{point}");
    let sql = "select count(*), count(distinct id), (select count(*) from counted) from visit";
    assert_eq!(scene.database.rows(sql), [["1000", "1000", "0"]], "{point}");
    scene.verify().ends(0);
}

#[test]
fn triggers_are_off_for_a_load_and_back_as_they_were_whoever_dies() {
    for (point, owed) in [
        ("after_suspend:1", 4),
        ("after_commit:3", 4),
        ("before_settle:1", 4),
        ("before_debt:1", 4),
        ("before_debt:3", 2),
    ] {
        let scene = scene(Database::plain());
        let checked = scene.millstream(&["check", "pipeline.toml"]).ends(0);
        let said = format!("{}{}", checked.out, checked.err);
        assert!(said.contains("off for the load, then as it was"), "{said}");
        let killed = scene.backfill().env("MILLSTREAM_FAILPOINT", point).run();
        assert!(killed.was_killed(), "{point}: {}\n{}", killed.status, killed.err);
        assert_eq!(scene.database.number(OWED), owed, "{point}");
        if owed == 4 {
            assert_eq!(scene.database.text(STATES), ALL_OFF, "{point}");
        }
        scene.backfill().ends(0);
        whole(&scene, point);
        // And they do their work again.
        scene.database.run("insert into visit values (1001, 'late')");
        assert_eq!(scene.database.number("select count(*) from counted"), 2, "{point}");
    }
}

#[test]
fn what_a_dead_load_left_off_is_put_back_by_maintenance_too() {
    let scene = scene(Database::timescale());
    let killed = scene.backfill().env("MILLSTREAM_FAILPOINT", "after_commit:2").run();
    assert!(killed.was_killed(), "{}", killed.err);
    // What a person did in the meantime stays: one dropped, one turned on in another way.
    scene
        .database
        .run("drop trigger edited on visit; alter table visit enable always trigger usual");
    scene.millstream(&["maintain"]).ends(0);
    let states = "Always on A, copied R, resting D, usual A";
    assert_eq!(scene.database.text(STATES), states);
    assert_eq!(scene.database.number(OWED), 0);
    scene.backfill().ends(0);
    assert_eq!(scene.database.text(STATES), states);
    let sql = "select count(*), (select count(*) from counted) from visit";
    assert_eq!(scene.database.rows(sql), [["1000", "0"]]);
}

#[test]
fn a_load_that_ends_early_leaves_no_trigger_off() {
    let scene = scene(Database::plain());
    let source = scene.source("");
    // More rows that the table refuses at one cursor than a run takes for accidents.
    let file = format!("{PIPELINE}triggers = \"suspend\"\n").replace("= 100\n", "= 400\n");
    scene.write("pipeline.toml", &file);
    source.execute_batch("update visit set who = 'nobody' where id > 500").unwrap();
    let failed = scene.backfill().run();
    assert_eq!(failed.status.code(), Some(1), "{}", failed.err);
    assert!(scene.database.number("select count(*) from visit") == 400);
    assert_eq!(scene.database.text(STATES), AS_MADE);
    assert_eq!(scene.database.number(OWED), 0);
}

#[test]
fn a_trigger_is_an_error_without_the_key_and_where_it_cannot_be_turned_off() {
    let scene = scene(Database::timescale());
    let refused = |file: &str, url: &str, words: &[&str]| {
        scene.write("pipeline.toml", file);
        for command in ["check", "backfill"] {
            let run =
                scene.millstream(&[command, "pipeline.toml"]).env("DATABASE_URL", url).ends(2);
            words.iter().for_each(|words| assert!(run.err.contains(words), "{words}: {}", run.err));
        }
        assert_eq!(scene.database.text(STATES), AS_MADE);
    };
    let url = scene.database.url.clone();
    let suspend = format!("{PIPELINE}triggers = \"suspend\"\n");
    refused(PIPELINE, &url, &["trigger usual", "trigger Always on", "triggers = \"suspend\""]);
    refused(&format!("{PIPELINE}triggers = \"off\"\n"), &url, &["pipeline.toml:9:12", "suspend"]);
    let guest = format!("guest_{:08x}", fastrand::u32(..));
    scene.database.run(&format!(
        "create role {guest} login; grant create on database {name} to {guest}; \
         grant insert, select on visit to {guest}",
        name = scene.database.text("select current_database()")
    ));
    refused(&suspend, &scene.database.url_for(&guest), &["only the table's owner"]);
    scene.database.run(&format!("drop owned by {guest}; drop role {guest}"));
    scene
        .database
        .run("create rule away as on insert to visit where new.id = 7 do instead nothing");
    refused(&suspend, &url, &["rule away"]);
    scene.database.run("drop rule away on visit");
    // A hypertable's triggers cannot be turned off.
    scene.database.run(
        "create table gate (id bigint not null, who text); select create_hypertable('gate', \
         by_range('id', 1000)); create trigger usual after insert on gate for each row \
         execute function count_visit()",
    );
    let gate = suspend.replace("public.visit", "public.gate");
    refused(&gate, &url, &["triggers of a hypertable are not turned off"]);
}

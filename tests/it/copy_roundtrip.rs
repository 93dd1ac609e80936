//! Every type through the COPY encoder into a real server, and back out of it: the same bytes, or, where
//! the server keeps another form, the same fingerprint. The budget is MILLSTREAM_TEST_CASES.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use millstream::batch::ValueRef;
use millstream::schema::{Comparison, Datum, Element, Network, PgType};
use millstream::sink::copy;
use millstream::sink::fingerprint::Fingerprinter;
use millstream::transform::cast::cast;
use millstream::transform::clock::{Clock, Policy};
use millstream::transform::numeric;
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::test_runner::TestRunner;
use tokio_postgres::Client;

use crate::support::database::{block_on, connect};
use crate::support::{Database, long};

type Value = Datum<'static>;

fn runner() -> TestRunner {
    let given = std::env::var("MILLSTREAM_TEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = given.unwrap_or(if long() { 5_000 } else { 150 });
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

const LABELS: [&str; 3] = ["running", "Stopped now", "gewärmt 'x'"];

/// Every type that is written, each with values of it.
fn columns() -> Vec<(PgType, BoxedStrategy<Value>)> {
    let text = |length: usize| {
        let letter = any::<char>().prop_filter("no zero byte", |letter| *letter != '\0');
        vec(letter, 0..length).prop_map(|letters| letters.into_iter().collect::<String>())
    };
    let borrowed = |text: String| Datum::Text(Cow::Owned(text));
    let instants = || {
        prop_oneof![
            -211_813_488_000_000_000..9_223_371_331_200_000_000_i64,
            -900_000_000_000_000..900_000_000_000_000_i64,
            Just(i64::MAX),
            Just(i64::MIN),
        ]
    };
    let cut = |unit: i64| move |us: i64| Datum::Timestamp(us.div_euclid(unit) * unit);
    let near = -900_000_000_000_000..900_000_000_000_000_i64;
    let days = prop_oneof![-2_451_545..2_145_031_949_i32, Just(i32::MAX), Just(i32::MIN)];
    let ints = |element, low: i64, high: i64| {
        vec(proptest::option::of(low..=high), 0..5)
            .prop_map(move |items| Datum::IntArray(element, items))
            .boxed()
    };
    let interval = (any::<i32>(), any::<i32>(), any::<i64>());
    vec![
        (PgType::Bool, any::<bool>().prop_map(Datum::Bool).boxed()),
        (PgType::Int2, any::<i16>().prop_map(Datum::Int2).boxed()),
        (PgType::Int4, any::<i32>().prop_map(Datum::Int4).boxed()),
        (PgType::Int8, any::<i64>().prop_map(Datum::Int8).boxed()),
        (PgType::Float4, any::<u32>().prop_map(|b| Datum::Float4(f32::from_bits(b))).boxed()),
        (PgType::Float8, any::<u64>().prop_map(|b| Datum::Float8(f64::from_bits(b))).boxed()),
        (PgType::Numeric(None), decimal().prop_map(number).boxed()),
        (PgType::Numeric(Some((12, 4))), fitting_decimal().prop_map(fitted).boxed()),
        (PgType::Text, text(40).prop_map(borrowed).boxed()),
        (PgType::Varchar(20), text(21).prop_map(borrowed).boxed()),
        (PgType::Uuid, any::<[u8; 16]>().prop_map(Datum::Uuid).boxed()),
        (PgType::Inet, network(false).boxed()),
        (PgType::Cidr, network(true).boxed()),
        (PgType::Timestamptz(6), instants().prop_map(Datum::Timestamp).boxed()),
        (PgType::Timestamptz(3), near.clone().prop_map(cut(1_000)).boxed()),
        (PgType::Timestamp(6), instants().prop_map(Datum::Timestamp).boxed()),
        (PgType::Timestamp(0), near.prop_map(cut(1_000_000)).boxed()),
        (PgType::Date, days.prop_map(Datum::Date).boxed()),
        (PgType::Time, (0..=86_400_000_000_i64).prop_map(Datum::Time).boxed()),
        (
            PgType::Interval,
            interval.prop_map(|(months, days, us)| Datum::Interval { months, days, us }).boxed(),
        ),
        (PgType::Jsonb, json().prop_map(|text| Datum::Jsonb(Cow::Owned(text))).boxed()),
        (PgType::Json, json().prop_map(borrowed).boxed()),
        (PgType::Bytea, vec(any::<u8>(), 0..40).prop_map(leaked).boxed()),
        (
            PgType::Enum(LABELS.iter().map(|label| (*label).to_owned()).collect()),
            (0..LABELS.len()).prop_map(|at| Datum::Text(Cow::Borrowed(LABELS[at]))).boxed(),
        ),
        (
            PgType::Array(Element::Text),
            vec(proptest::option::of(text(9)), 0..5).prop_map(Datum::TextArray).boxed(),
        ),
        (PgType::Array(Element::Int2), ints(Element::Int2, i16::MIN.into(), i16::MAX.into())),
        (PgType::Array(Element::Int4), ints(Element::Int4, i32::MIN.into(), i32::MAX.into())),
        (PgType::Array(Element::Int8), ints(Element::Int8, i64::MIN, i64::MAX)),
    ]
}

/// Addresses of both families under every mask; of a `cidr` only what its mask leaves.
fn network(cidr: bool) -> impl Strategy<Value = Value> {
    let kept = |bits: u8, all: u8| u128::MAX.checked_shl(u32::from(all - bits)).unwrap_or(0);
    let v4 = (any::<u32>(), 0..=32_u8).prop_map(move |(address, bits)| {
        let address = if cidr { u128::from(address) & kept(bits, 32) } else { address.into() };
        format!("{}/{bits}", std::net::Ipv4Addr::from(u32::try_from(address).unwrap()))
    });
    let v6 = (any::<u128>(), 0..=128_u8).prop_map(move |(address, bits)| {
        let address = if cidr { address & kept(bits, 128) } else { address };
        format!("{}/{bits}", std::net::Ipv6Addr::from(address))
    });
    prop_oneof![v4, v6].prop_map(move |text| Datum::Network(Network::parse(&text, cidr).unwrap()))
}

/// A datum borrows its bytes; those of a test may live as long as it.
fn leaked(bytes: Vec<u8>) -> Value {
    Datum::Bytes(bytes.leak())
}

fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,40}",
        "-?[0-9]{1,20}\\.[0-9]{0,25}",
        "-?0\\.0{0,12}[0-9]{1,6}",
        "-?[1-9][0-9]{0,4}0{1,12}",
        "[0-9]{1,5}(\\.[0-9]{1,5})?e-?[0-9]{1,2}",
        Just("NaN".to_owned()),
        Just("-0.00".to_owned()),
    ]
}

fn fitting_decimal() -> impl Strategy<Value = String> {
    prop_oneof!["-?[0-9]{1,8}", "-?[0-9]{1,8}\\.[0-9]{0,4}", Just("0".to_owned())]
}

fn number(text: String) -> Value {
    Datum::Numeric(numeric::parse(&text).unwrap())
}

fn fitted(text: String) -> Value {
    Datum::Numeric(numeric::fit(numeric::parse(&text).unwrap(), 12, 4).unwrap())
}

/// JSON as systems write it: spaces, keys out of order and twice, numbers in every spelling.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just(" true".to_owned()),
        "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        "\"[a-z äöü]{0,8}\"",
        Just("\"\\u00e9\\n\\\\u0000\"".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            vec(("[abc]{1,2}", inner), 0..4).prop_map(|items| {
                let items: Vec<String> =
                    items.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
                format!("{{ {} }}", items.join(","))
            }),
        ]
    })
}

fn sql_type(ty: &PgType) -> String {
    if matches!(ty, PgType::Enum(_)) { "mood".to_owned() } else { ty.sql() }
}

fn encoded(rows: &[Vec<Value>]) -> Vec<u8> {
    let mut out = copy::HEADER.to_vec();
    for row in rows {
        copy::begin_tuple(&mut out, u16::try_from(row.len()).unwrap());
        row.iter().for_each(|datum| copy::field(&mut out, datum));
    }
    out.extend_from_slice(&copy::TRAILER);
    out
}

async fn send(client: &Client, table: &str, bytes: Vec<u8>) -> u64 {
    let sql = format!("copy {table} from stdin (format binary)");
    let sink = client.copy_in::<_, Bytes>(&sql).await.unwrap();
    futures_util::pin_mut!(sink);
    sink.as_mut().feed(Bytes::from(bytes)).await.unwrap();
    sink.finish().await.unwrap()
}

async fn fetch(client: &Client, query: &str) -> Vec<u8> {
    let sql = format!("copy ({query}) to stdout (format binary)");
    let stream = client.copy_out(&sql).await.unwrap();
    futures_util::pin_mut!(stream);
    let mut bytes = Vec::new();
    while let Some(message) = stream.next().await {
        bytes.extend_from_slice(&message.unwrap());
    }
    bytes
}

fn compare(types: &[PgType], sent: &[u8], found: &[u8]) {
    let tuples = |bytes: &[u8]| copy::tuples(&[Bytes::copy_from_slice(bytes)]);
    let (sent, found) = (tuples(sent), tuples(found));
    assert_eq!(sent.len(), found.len());
    let printer = Fingerprinter::new(types.to_vec(), None);
    for (sent, found) in sent.iter().zip(&found) {
        assert_eq!(printer.row(&sent[2..]), printer.row(&found[2..]), "the fingerprint");
        let fields = |tuple: &Bytes| -> Vec<Option<Vec<u8>>> {
            copy::fields(&tuple[2..]).unwrap().iter().map(|f| f.map(<[u8]>::to_vec)).collect()
        };
        for ((sent, found), ty) in fields(sent).iter().zip(&fields(found)).zip(types) {
            if ty.comparison() == Comparison::Bit {
                assert_eq!(sent, found, "{}", ty.sql());
            }
        }
    }
}

#[test]
fn every_type_comes_back_as_it_was_sent() {
    let database = Database::plain();
    let columns = columns();
    let types: Vec<PgType> = columns.iter().map(|(ty, _)| ty.clone()).collect();
    let names: Vec<String> = types.iter().enumerate().map(|(at, _)| format!("c{at}")).collect();
    let list: Vec<String> =
        types.iter().zip(&names).map(|(ty, name)| format!("{name} {}", sql_type(ty))).collect();
    let client = block_on(connect(&database.url)).unwrap();
    let labels = LABELS.map(|label| format!("'{}'", label.replace('\'', "''"))).join(", ");
    let make = format!("create type mood as enum ({labels}); create table t ({})", list.join(", "));
    block_on(client.batch_execute(&make)).unwrap();
    let row: Vec<_> = columns
        .into_iter()
        .map(|(_, values)| {
            proptest::option::weighted(0.9, values).prop_map(|value| value.unwrap_or(Datum::Null))
        })
        .collect();
    let query = format!("select {} from t order by ctid", names.join(", "));
    let outcome = runner().run(&vec(row, 1..40), |rows| {
        let sent = encoded(&rows);
        let found = block_on(async {
            client.batch_execute("truncate t").await.unwrap();
            assert_eq!(send(&client, "t", sent.clone()).await, rows.len() as u64);
            fetch(&client, &query).await
        });
        compare(&types, &sent, &found);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Texts beside the values made of them; the server reads the texts itself.
#[test]
fn decimals_instants_and_intervals_mean_what_the_server_reads_in_them() {
    let database = Database::plain();
    let client = block_on(connect(&database.url)).unwrap();
    let make = "create table t (n numeric, nt text, p numeric(12,4), pt text, s timestamptz, \
                st text, i interval, it text)";
    block_on(client.batch_execute(make)).unwrap();
    let instant = "(19[0-9]{2}|20[0-9]{2})-(0[1-9]|1[0-2])-([01][1-9]|2[0-8])T([01][0-9]|2[0-3])\
                   :[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]0[0-9]:[03]0)";
    let interval =
        "P[0-9]{1,3}Y[0-9]{1,4}M[0-9]{1,4}DT[0-9]{1,3}H[0-9]{1,3}M[0-9]{1,3}(\\.[0-9]{1,6})?S";
    let row = (decimal(), fitting_decimal(), instant, interval);
    let policy = Policy::parse(None, "default").unwrap();
    let outcome = runner().run(&vec(row, 1..40), |rows| {
        let mut clock = Clock::new(&policy);
        let tuples: Vec<Vec<Value>> = rows
            .iter()
            .map(|(n, p, s, i)| {
                let text = |text: &String| Datum::Text(Cow::Owned(text.clone()));
                let us = clock.instant(ValueRef::Text(s.as_bytes())).unwrap().unwrap();
                let Ok(Datum::Interval { months, days, us: rest }) =
                    cast(ValueRef::Text(i.as_bytes()), &PgType::Interval)
                else {
                    panic!("{i} is an interval");
                };
                let span = Datum::Interval { months, days, us: rest };
                let (number, fitted) = (number(n.clone()), fitted(p.clone()));
                let instant = Datum::Timestamp(us);
                vec![number, text(n), fitted, text(p), instant, text(s), span, text(i)]
            })
            .collect();
        let wrong = block_on(async {
            client.batch_execute("truncate t; set timezone = 'UTC'").await.unwrap();
            send(&client, "t", encoded(&tuples)).await;
            let sql = "select row(t.*)::text from t where n::text <> nt::numeric::text \
                       or p::text <> pt::numeric(12,4)::text or s::text <> st::timestamptz::text \
                       or i::text <> it::interval::text";
            client.query(sql, &[]).await.unwrap()
        });
        let wrong: Vec<String> = wrong.iter().map(|row| row.get(0)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

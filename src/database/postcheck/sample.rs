//! Telemetry of the two machines of the plant, one second after the other, made by the server itself: what is
//! measured without touching live tables is measured on this.
//!
//! A bagger and its basket loader, polled once a second: 12 or 13 values each, the reason of a stop only while
//! they stand, and the bagger's 64 fault bits. They stop five minutes in fifty. Speed is a real number with
//! noise, as the machine sends it; most of the rest seldom changes. Values of which there is none are not
//! stored, as in the plant.

use tokio_postgres::Client;

/// Rows a second of both machines, over a cycle of fifty minutes.
pub const ROWS_PER_SECOND: f64 = 25.2;

/// The metrics as `(id uuid, machine int, metric_key text, value_type text)`.
pub const METRICS: &str = "\
select md5('postcheck ' || machine || metric_key)::uuid as id, machine, metric_key, value_type \
from generate_series(0, 1) machine cross join (values \
    ('running_status', 'BOOL'), ('speed_real', 'REAL'), ('current_product', 'INT'), \
    ('active_alarms', 'JSON'), ('internal_fault', 'BOOL'), ('upstream_fault', 'BOOL'), \
    ('downstream_fault', 'BOOL'), ('planned_stop', 'BOOL'), ('stop_reason', 'TEXT'), \
    ('product_count', 'INT'), ('availability', 'REAL'), ('current_operator', 'TEXT'), \
    ('current_shift', 'TEXT'), ('fault_bits_raw', 'JSON')) m (metric_key, value_type) \
where machine = 0 or metric_key <> 'fault_bits_raw'";

/// Fills a table of the shape of `metric_hist` with whole seconds of `[from, from + seconds)`, both machines;
/// `from` is an SQL expression. Gives back the number of rows.
pub async fn fill(
    client: &Client,
    table: &str,
    (from, seconds): (&str, u64),
) -> Result<u64, tokio_postgres::Error> {
    let sql = format!(
        "insert into {table} \
           (metric_def_id, ts, value_bool, value_int, value_real, value_text, value_json) \
         select m.id, t.ts, v.b, v.i, v.r, v.t, v.j::jsonb \
         from generate_series({from}, {from} + interval '{seconds} seconds' - interval '1 second', \
             interval '1 second') t (ts) \
         cross join ({METRICS}) m \
         cross join lateral (select extract(epoch from t.ts)::bigint + m.machine * 977) n (s) \
         cross join lateral (select n.s % 3000 >= 300, n.s / 3000) st (runs, cycle) \
         cross join lateral (select \
             case m.metric_key when 'running_status' then st.runs \
                 when 'internal_fault' then not st.runs and st.cycle % 3 = 0 \
                 when 'upstream_fault' then not st.runs and st.cycle % 3 = 1 \
                 when 'downstream_fault' then false \
                 when 'planned_stop' then not st.runs and st.cycle % 8 = 0 end, \
             case m.metric_key when 'current_product' then 1 + n.s / 28800 % 7 \
                 when 'product_count' then n.s * 8 / 5 % 32768 end, \
             case m.metric_key \
                 when 'speed_real' then case when st.runs \
                     then (95 + 5 * sin(n.s / 300.0) + random())::real::float8 else 0 end \
                 when 'availability' then (3600 - n.s % 600) / 36.0 end, \
             case m.metric_key when 'stop_reason' then case when not st.runs \
                     then (array['MECH_FAULT', 'UPSTREAM_STOP', 'CHANGEOVER'])[1 + st.cycle % 3] end \
                 when 'current_operator' then 'operator ' || n.s / 28800 % 12 \
                 when 'current_shift' then (array['Day', 'Afternoon', 'Night'])[1 + n.s / 28800 % 3] end, \
             case m.metric_key when 'active_alarms' \
                     then case when st.runs then '[]' else '[\"Guard open\"]' end \
                 when 'fault_bits_raw' then case when st.runs \
                     then '[' || repeat('false, ', 59) || 'true' || repeat(', false', 4) || ']' \
                     else '[true, ' || repeat('false, ', 62) || 'false]' end end \
         ) v (b, i, r, t, j) \
         where num_nonnulls(v.b, v.i, v.r, v.t, v.j) = 1"
    );
    client.execute(&sql, &[]).await
}

-- A machine's faults of a day, and for how long each stood
-- $1 text: select distinct equipment_code from factory_telemetry.fault_event order by 1
-- $2 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes' - interval '24 hours'
--     from (select max(ts_on) from factory_telemetry.fault_event) t (newest),
--         generate_series(0, 59) n order by n
-- $3 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes'
--     from (select max(ts_on) from factory_telemetry.fault_event) t (newest),
--         generate_series(0, 59) n order by n
select e.bit_index,
       coalesce(c.name, 'bit ' || e.bit_index) as fault,
       count(*) as times,
       sum(coalesce(e.duration_s, extract(epoch from $3 - e.ts_on))) as seconds
from factory_telemetry.fault_event e
left join factory_telemetry.fault_catalog c using (equipment_code, bit_index)
where e.equipment_code = $1
  and e.ts_on > $2
  and e.ts_on <= $3
group by e.bit_index, c.name
order by seconds desc;

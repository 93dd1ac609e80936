-- OEE of each line by hour, over a week: production time and parts summed before they are divided
-- $1 timestamptz: select coalesce(newest, now()) - n * interval '3 hours' - interval '7 days'
--     from (select max(calculation_time) from factory_telemetry.oee_calculations) t (newest),
--         generate_series(0, 59) n order by n
-- $2 timestamptz: select coalesce(newest, now()) - n * interval '3 hours'
--     from (select max(calculation_time) from factory_telemetry.oee_calculations) t (newest),
--         generate_series(0, 59) n order by n
select l.line_code,
       date_bin(interval '1 hour', o.calculation_time, timestamptz '2000-01-01 00:00:00+00')
           as hour,
       sum(o.actual_production_time)::float8 / nullif(sum(o.planned_production_time), 0)
           as availability,
       sum(o.good_parts)::float8 / nullif(sum(o.total_parts), 0) as quality,
       sum(o.good_parts * o.ideal_cycle_time) / nullif(sum(o.planned_production_time), 0) as oee
from factory_telemetry.oee_calculations o
left join factory_telemetry.production_lines l on l.id = o.line_id
where o.calculation_time > $1
  and o.calculation_time <= $2
group by l.line_code, hour
order by l.line_code, hour;

-- The states of a unit over a day, one after the other
-- $1 text: select id from public."Equipment" order by 1
-- $2 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes' - interval '24 hours'
--     from (select max("timestamp") from public.equipment_states) t (newest),
--         generate_series(0, 59) n order by n
-- $3 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes'
--     from (select max("timestamp") from public.equipment_states) t (newest),
--         generate_series(0, 59) n order by n
select state, "stateCategory", reason, "startTime", "endTime"
from public.equipment_states
where "equipmentId" = $1
  and "timestamp" > $2
  and "timestamp" <= $3
order by "timestamp";

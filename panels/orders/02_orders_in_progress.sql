-- Orders in progress that were made in the last seven days, with operator and machine
-- $1 timestamptz: select coalesce(newest, now()) - n * interval '1 day'
--     from (select max(created_at) from public.production_orders) t (newest),
--         generate_series(0, 59) n order by n
select o.*, u.username, m.name as machine_name
from public.production_orders o
join public.users u on u.id = o.operator_id
join public.machines m on m.id = o.machine_id
where o.status = 'in_progress'
  and o.created_at >= $1 - interval '7 days'
  and o.created_at <= $1;

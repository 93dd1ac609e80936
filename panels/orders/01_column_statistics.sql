-- How the columns of users, orders and machines are distributed, as the planner sees them
select schemaname, tablename, attname, n_distinct, correlation
from pg_stats
where schemaname = 'public'
  and tablename in ('users', 'production_orders', 'machines')
order by tablename, attname;

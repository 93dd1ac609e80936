-- What the application searches by, and the columns that refer to orders, machines and crews: without an
-- index each delete there would read the referring table. An index that a unique key already begins with
-- is left out (the source's idx_attendance_date and idx_labor_user).

create index idx_users_role on public.users (role);
create index idx_users_employee_code on public.users (employee_code);

create index idx_machines_environment on public.machines (environment);
create index idx_machines_status on public.machines (status);

-- Orders of a status, newest first: the list of running orders of the last seven days.
create index idx_orders_status on public.production_orders (status, created_at);
create index idx_orders_environment on public.production_orders (environment);
create index idx_orders_machine on public.production_orders (machine_id, start_time);
create index idx_orders_operator on public.production_orders (operator_id);

create index idx_stops_order on public.production_stops (order_id, start_time);
create index idx_stops_start_time on public.production_stops (start_time);
-- What stands now.
create index idx_stops_open on public.production_stops (order_id) where end_time is null;

create index idx_waste_order on public.production_waste (order_id);

create index idx_quantity_order on public.quantity_updates (order_id, update_time);
create index idx_quantity_shift on public.quantity_updates (shift_date, shift_type);

-- One person's attendance; a day's is found by the unique key.
create index idx_attendance_employee on public.daily_attendance (employee_code);

create index idx_labor_date on public.labor_assignments (assignment_date, shift);
create index idx_labor_machine on public.labor_assignments (machine_id);
create index idx_labor_shift on public.labor_assignments (shift);

create index idx_supervisors_date_shift on public.shift_supervisors (assignment_date, shift);

create index idx_crew_assignments_crew on public.crew_assignments (crew_id, assignment_date);
create index idx_crew_assignments_date on public.crew_assignments (assignment_date);

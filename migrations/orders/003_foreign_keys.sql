-- Every reference, also those that the source never declared (marked *).
-- `not valid`: new and changed rows must refer to something, the rows that came over need not. Users,
-- machines and orders were deleted for good in the source, and what referred to them is history worth
-- keeping. millstream suspends such keys while it loads, puts them back as they were, and lists what
-- dangles; once it is mended, `alter table … validate constraint …` closes the gap.

alter table public.production_orders
    add constraint production_orders_machine_id_fkey -- *
        foreign key (machine_id) references public.machines (id) not valid,
    add constraint production_orders_operator_id_fkey -- *
        foreign key (operator_id) references public.users (id) not valid,
    add constraint production_orders_created_by_fkey -- *
        foreign key (created_by) references public.users (id) not valid;

alter table public.production_stops
    add constraint production_stops_order_id_fkey
        foreign key (order_id) references public.production_orders (id) not valid,
    add constraint production_stops_operator_id_fkey -- *
        foreign key (operator_id) references public.users (id) not valid,
    add constraint production_stops_resolved_by_fkey -- *
        foreign key (resolved_by) references public.users (id) not valid;

alter table public.production_waste
    add constraint production_waste_order_id_fkey
        foreign key (order_id) references public.production_orders (id) not valid,
    add constraint production_waste_created_by_fkey -- *
        foreign key (created_by) references public.users (id) not valid;

alter table public.quantity_updates
    add constraint quantity_updates_order_id_fkey
        foreign key (order_id) references public.production_orders (id) not valid,
    add constraint quantity_updates_updated_by_fkey
        foreign key (updated_by) references public.users (id) not valid;

alter table public.labor_assignments
    add constraint labor_assignments_user_id_fkey
        foreign key (user_id) references public.users (id) not valid,
    add constraint labor_assignments_machine_id_fkey
        foreign key (machine_id) references public.machines (id) not valid,
    add constraint labor_assignments_employee_id_fkey -- *
        foreign key (employee_id) references public.users (id) not valid;

alter table public.shift_supervisors
    add constraint shift_supervisors_supervisor_id_fkey
        foreign key (supervisor_id) references public.users (id) not valid,
    add constraint shift_supervisors_created_by_fkey
        foreign key (created_by) references public.users (id) not valid;

alter table public.shift_reports
    add constraint shift_reports_supervisor_id_fkey
        foreign key (supervisor_id) references public.users (id) not valid,
    add constraint shift_reports_created_by_fkey
        foreign key (created_by) references public.users (id) not valid;

alter table public.daily_role_overrides
    add constraint daily_role_overrides_employee_id_fkey
        foreign key (employee_id) references public.users (id) not valid,
    add constraint daily_role_overrides_assigned_by_fkey
        foreign key (assigned_by) references public.users (id) not valid;

alter table public.machine_crews
    add constraint machine_crews_machine_id_fkey
        foreign key (machine_id) references public.machines (id) on delete cascade not valid,
    add constraint machine_crews_created_by_fkey -- *
        foreign key (created_by) references public.users (id) not valid;

alter table public.crew_assignments
    add constraint crew_assignments_machine_id_fkey
        foreign key (machine_id) references public.machines (id) on delete cascade not valid,
    add constraint crew_assignments_crew_id_fkey
        foreign key (crew_id) references public.machine_crews (id) on delete cascade not valid,
    add constraint crew_assignments_created_by_fkey -- *
        foreign key (created_by) references public.users (id) not valid;

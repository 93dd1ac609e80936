-- South African time: how the database shows instants, the application's three helpers, and its view.

-- For sessions that begin after this one. What is stored does not depend on it.
do $$
begin
    execute format('alter database %I set timezone to %L', current_database(), 'Africa/Johannesburg');
end
$$;

-- getCurrentSASTTime: the wall clock in South Africa, as the start of the transaction had it.
create function public.sast_now() returns timestamp
    language sql stable parallel safe
    return now() at time zone 'Africa/Johannesburg';
comment on function public.sast_now() is
    'the wall clock in South Africa; to compare with stored instants, use now()';

-- convertToSAST. Immutable, as the server's own conversion by a zone's name.
create function public.to_sast(instant timestamptz) returns timestamp
    language sql immutable strict parallel safe
    return instant at time zone 'Africa/Johannesburg';
comment on function public.to_sast(timestamptz) is
    'the wall clock in South Africa at an instant: 2025-08-01T10:00:00Z is 12:00';

-- formatSASTDateTime. Stable only: to_char() goes by the session's locale.
create function public.format_sast(instant timestamptz, format text default 'YYYY-MM-DD HH24:MI:SS')
    returns text
    language sql stable strict parallel safe
    return to_char(instant at time zone 'Africa/Johannesburg', format);
comment on function public.format_sast(timestamptz, text) is
    'an instant as the wall clock in South Africa, in a format of to_char()';

create view public.crew_schedule_view as
select
    m.name as machine_name,
    c.crew_letter,
    c.cycle_offset,
    a.assignment_date,
    a.shift_type,
    a.auto_generated,
    a.is_override
from public.crew_assignments a
join public.machine_crews c on c.id = a.crew_id
join public.machines m on m.id = a.machine_id;

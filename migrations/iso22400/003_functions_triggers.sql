-- 003 - Functions and Triggers

create or replace function public.update_updated_at() returns trigger
language plpgsql as $$
begin
    new."updatedAt" := now();
    return new;
end $$;

-- An update that brings its own time, as a migration does, keeps it; one that changes nothing is none.
create or replace trigger "Site_updated_at" before update on public."Site" for each row
    when (old.* is distinct from new.* and old."updatedAt" = new."updatedAt")
    execute function public.update_updated_at();
create or replace trigger "WorkCenter_updated_at" before update on public."WorkCenter" for each row
    when (old.* is distinct from new.* and old."updatedAt" = new."updatedAt")
    execute function public.update_updated_at();
create or replace trigger "Equipment_updated_at" before update on public."Equipment" for each row
    when (old.* is distinct from new.* and old."updatedAt" = new."updatedAt")
    execute function public.update_updated_at();
create or replace trigger "Product_updated_at" before update on public."Product" for each row
    when (old.* is distinct from new.* and old."updatedAt" = new."updatedAt")
    execute function public.update_updated_at();
create or replace trigger "User_updated_at" before update on public."User" for each row
    when (old.* is distinct from new.* and old."updatedAt" = new."updatedAt")
    execute function public.update_updated_at();

-- Which element of the time model a moment belongs to; null is outside POT.
-- `in_order`: whether an order runs; null where no order is known of, and then a stop is a delay (ADET)
-- and idling is not (ADOT).
create or replace function public.time_element(
    state text, category text, in_break boolean, in_order boolean
) returns text language sql immutable parallel safe as $$
    select case
        when category = 'PLANNED' or state in ('PLANNED_STOP', 'BREAK', 'PLANNED_MAINTENANCE')
            then 'PLANNED'
        -- A micro-stop under the classic reading says so in its category.
        when category in ('PRODUCTION', 'PERFORMANCE_LOSS') or state in ('PRODUCING', 'RUNNING_SLOW')
            then 'APT'
        when state = 'NOT_SCHEDULED' then null
        when in_break then 'PLANNED'
        when state in ('SETUP', 'CHANGEOVER') then 'AUST'
        when state in ('STARVED', 'BLOCKED', 'MICROSTOP') then 'ADET'
        when state = 'DOWN' then case when coalesce(in_order, true) then 'ADET' else 'ADOT' end
        when state = 'IDLE' then case when coalesce(in_order, false) then 'ADET' else 'ADOT' end
        else 'UNKNOWN'
    end
$$;

-- A shift's window: its recorded end or, while there is none, its planned one. Never now().
create or replace function public.shift_window(
    shift_instance text, out window_start timestamptz, out window_end timestamptz
) language sql stable as $$
    select "actualStartTime",
        coalesce("actualEndTime", "actualStartTime" + make_interval(mins => "plannedMinutes"))
    from public."ShiftInstance" where id = shift_instance
$$;

-- A shift's breaks as instants. A break is on the shift's date, or on the day after if the clock shows
-- less than at the shift's start.
create or replace function public.shift_breaks(shift_instance text)
returns table (break_start timestamptz, break_end timestamptz) language sql stable as $$
    select (i."shiftDate" + b.starts
            + case when b.starts < s."startTime"::time then interval '1 day' else interval '0' end)
            at time zone site.timezone,
        (i."shiftDate" + b.ends
            + case when b.starts < s."startTime"::time then interval '1 day' else interval '0' end
            + case when b.ends <= b.starts then interval '1 day' else interval '0' end)
            at time zone site.timezone
    from public."ShiftInstance" i
    join public."Shift" s on s.id = i."shiftId"
    join public."Site" site on site.id = s."siteId"
    cross join jsonb_to_recordset(s."breakWindows") as w ("start" text, "end" text)
    cross join lateral (select w."start"::time, w."end"::time) b (starts, ends)
    where i.id = shift_instance
$$;

-- How long a unit spent in each element during a shift, before breaks of which only the length is known.
create or replace function public.shift_elements(
    equipment text, shift_instance text, out pot numeric, out planned numeric, out apt numeric,
    out aust numeric, out adet numeric, out adot numeric, out unknown numeric,
    out in_break_state numeric, out overlaps boolean, out open_ended boolean
) language sql stable as $$
    with shift as (select * from public.shift_window(shift_instance)),
    -- An open row ends where the next one starts, else now.
    states as materialized (
        select s.state, s."stateCategory" as category, s."startTime" as starts,
            coalesce(s."endTime", (
                select min(n."startTime") from public.equipment_states n
                where n."equipmentId" = equipment and n."timestamp" > s."timestamp"
            ), now()) as ends, s."endTime" is null as open
        from public.equipment_states s, shift
        where s."equipmentId" = equipment and s."timestamp" < window_end
            and (s."endTime" > window_start or s."endTime" is null)
    ),
    orders as materialized (
        select o."actualStartTime" as starts, coalesce(o."actualEndTime", 'infinity') as ends
        from public."ProductionOrder" o, public."Equipment" e, shift
        where e.id = equipment and o."workCenterId" = e."workCenterId"
            and coalesce(o."equipmentId", e.id) = e.id and o."actualStartTime" < window_end
            and coalesce(o."actualEndTime", 'infinity') > window_start
    ),
    breaks as materialized (select * from public.shift_breaks(shift_instance)),
    edges as (
        select edge from (
            select starts from states union select ends from states
            union select starts from orders union select ends from orders
            union select break_start from breaks union select break_end from breaks
            union select window_start from shift union select window_end from shift
        ) e (edge), shift
        where edge between window_start and window_end
    ),
    pieces as (
        select extract(epoch from lead(edge) over (order by edge) - edge) as seconds, owner.*,
            public.time_element(owner.state, owner.category,
                exists (select from breaks where break_start <= edge and break_end > edge),
                case when exists (select from orders) then
                    exists (select from orders where starts <= edge and ends > edge) end) as element
        from edges
        -- Of rows that overlap, the one that started last holds.
        left join lateral (
            select state, category, open, count(*) over () as layers from states
            where starts <= edge and ends > edge order by starts desc limit 1
        ) owner on true
    )
    select coalesce(sum(seconds) filter (where element is not null), 0),
        coalesce(sum(seconds) filter (where element = 'PLANNED'), 0),
        coalesce(sum(seconds) filter (where element = 'APT'), 0),
        coalesce(sum(seconds) filter (where element = 'AUST'), 0),
        coalesce(sum(seconds) filter (where element = 'ADET'), 0),
        coalesce(sum(seconds) filter (where element = 'ADOT'), 0),
        coalesce(sum(seconds) filter (where element = 'UNKNOWN'), 0),
        coalesce(sum(seconds) filter (where state = 'BREAK'), 0),
        coalesce(bool_or(layers > 1), false), coalesce(bool_or(open), false)
    from pieces where seconds is not null
$$;

-- What a unit made during a shift. PRI is the product's, else the unit's cycle time, else that of its
-- nominal speed; the ideal times are null when a piece has none.
create or replace function public.shift_quantities(
    equipment text, shift_instance text, out pq numeric, out gq numeric, out sq numeric, out rq numeric,
    out ideal_pq numeric, out ideal_gq numeric, out mismatch boolean
) language sql stable as $$
    with counts as (
        select c.*, c."goodCount" + c."rejectCount" + c."reworkCount" as made,
            coalesce(case when p."standardCycleTime" > 0 then p."standardCycleTime"::numeric end,
                case when e."theoreticalCycleTime" > 0 then e."theoreticalCycleTime"::numeric end,
                case when e."nominalSpeed" > 0 then 3600 / e."nominalSpeed"::numeric end) as pri
        from public.shift_window(shift_instance) w
        join public.production_counts c on c."equipmentId" = equipment
            and c."timestamp" >= w.window_start and c."timestamp" < w.window_end
        join public."Equipment" e on e.id = c."equipmentId"
        left join public."Product" p on p.id = c."productId"
    )
    select coalesce(sum(made), 0), coalesce(sum("goodCount"), 0), coalesce(sum("rejectCount"), 0),
        coalesce(sum("reworkCount"), 0),
        case when not coalesce(bool_or(pri is null and made <> 0), false)
            then coalesce(sum(pri * made), 0) end,
        case when not coalesce(bool_or(pri is null and made <> 0), false)
            then coalesce(sum(pri * "goodCount"), 0) end,
        coalesce(bool_or("totalCount" <> made), false)
    from counts
$$;

-- Elements and KPIs of one unit in one shift; no row for a shift of another site. `oee compute` is the
-- way to fill oee_calculations; this one is for looking.
create or replace function public.calculate_shift_oee(equipment text, shift_instance text)
returns table (
    "timestamp" timestamptz, "shiftDate" date, "workCenterId" varchar,
    "potSeconds" numeric, "plannedSeconds" numeric, "pbtSeconds" numeric, "aptSeconds" numeric,
    "austSeconds" numeric, "adetSeconds" numeric, "adotSeconds" numeric, "unknownSeconds" numeric,
    "totalProduced" numeric, "goodProduced" numeric, "defectCount" numeric, "reworkCount" numeric,
    "idealProducedSeconds" numeric, "idealGoodSeconds" numeric,
    availability double precision, "availabilityUpper" double precision,
    performance double precision, quality double precision, oee double precision, flags text[]
) language sql stable as $$
    select i."actualStartTime", i."shiftDate", e."workCenterId",
        t.pot, b.planned, b.pbt, t.apt, b.aust, b.adet, b.adot, b.unknown,
        q.pq, q.gq, q.sq, q.rq, q.ideal_pq, q.ideal_gq,
        (case when b.unknown < b.pbt then t.apt / b.pbt end)::float8,
        ((t.apt + b.unknown) / nullif(b.pbt, 0))::float8,
        (q.ideal_pq / nullif(t.apt, 0))::float8,
        (q.gq / nullif(q.pq, 0))::float8,
        (case when b.unknown < b.pbt and (t.apt > 0 or q.pq = 0) then q.ideal_gq / b.pbt end)::float8,
        array_remove(array[
            case when b.wanted > 0 then 'BREAK_MINUTES_ONLY' end,
            case when t.apt = 0 and q.pq <> 0 then 'COUNTS_WITHOUT_APT' end,
            case when q.mismatch then 'COUNT_MISMATCH' end,
            case when q.ideal_pq > t.apt and t.apt > 0 then 'EFFECTIVENESS_GT_1' end,
            case when b.unknown > 0 then 'INCOMPLETE_COVERAGE' end,
            case when q.ideal_pq is null then 'MISSING_PRI' end,
            case when b.unknown = b.pbt and b.pbt > 0 then 'NO_STATE_DATA' end,
            case when t.open_ended then 'OPEN_STATE_CLIPPED' end,
            case when t.overlaps then 'OVERLAP' end,
            case when q.pq = 0 then 'ZERO_PQ' end], null)
    from public."ShiftInstance" i
    join public."Shift" s on s.id = i."shiftId"
    join public."Equipment" e on e.id = equipment
    join public."WorkCenter" c on c.id = e."workCenterId" and c."siteId" = s."siteId"
    cross join lateral public.shift_elements(equipment, shift_instance) t
    cross join lateral public.shift_quantities(equipment, shift_instance) q
    -- Break minutes without a window leave PBT once: a recorded BREAK counts towards them, the rest
    -- comes out of what is not production. Production in a break stays production.
    cross join lateral (select case when s."breakWindows" is null then i."breakMinutes" * 60 else 0 end)
        w (wanted)
    cross join lateral (select least(greatest(w.wanted - t.in_break_state, 0), t.unknown)) x1 (a)
    cross join lateral (select least(greatest(w.wanted - t.in_break_state, 0) - x1.a, t.adot)) x2 (a)
    cross join lateral (
        select least(greatest(w.wanted - t.in_break_state, 0) - x1.a - x2.a, t.adet)) x3 (a)
    cross join lateral (
        select least(greatest(w.wanted - t.in_break_state, 0) - x1.a - x2.a - x3.a, t.aust)) x4 (a)
    cross join lateral (
        select w.wanted, t.planned + x1.a + x2.a + x3.a + x4.a, t.pot - t.planned - x1.a - x2.a
            - x3.a - x4.a, t.unknown - x1.a, t.adot - x2.a, t.adet - x3.a, t.aust - x4.a
    ) b (wanted, planned, pbt, unknown, adot, adet, aust)
    where i.id = shift_instance
$$;

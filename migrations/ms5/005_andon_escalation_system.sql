-- 005 - Andon Escalation System
-- A call for help that nobody answers goes to the next level.

create table if not exists factory_telemetry.andon_escalations (
    id uuid primary key default gen_random_uuid(),
    event_id uuid not null references factory_telemetry.andon_events (id) on delete cascade,
    priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
    acknowledgment_timeout_minutes integer not null default 15,
    resolution_timeout_minutes integer not null default 60,
    escalation_recipients text[] not null default '{}',
    escalation_level integer not null default 1,
    status text not null default 'active'
        check (status in ('active', 'acknowledged', 'escalated', 'cancelled', 'resolved')),
    created_at timestamptz default now(),
    acknowledged_at timestamptz,
    escalated_at timestamptz,
    cancelled_at timestamptz,
    resolved_at timestamptz,
    escalation_notes text,
    escalated_by uuid references factory_telemetry.users (id),
    acknowledged_by uuid references factory_telemetry.users (id)
);

-- 008 widens the ways of notification.
create table if not exists factory_telemetry.andon_escalation_history (
    id uuid primary key default gen_random_uuid(),
    escalation_id uuid not null
        references factory_telemetry.andon_escalations (id) on delete cascade,
    action text not null check (action in
        ('created', 'acknowledged', 'escalated', 'cancelled', 'resolved', 'timeout')),
    performed_by uuid references factory_telemetry.users (id),
    performed_at timestamptz default now(),
    notes text,
    escalation_level integer,
    recipients_notified text[],
    notification_method text
        check (notification_method in ('email', 'sms', 'phone', 'websocket', 'push'))
);

create table if not exists factory_telemetry.andon_escalation_rules (
    id uuid primary key default gen_random_uuid(),
    priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
    escalation_level integer not null,
    delay_minutes integer not null default 0,
    recipients text[] not null default '{}',
    notification_methods text[] not null default '{email,websocket}',
    escalation_message_template text,
    enabled boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
comment on column factory_telemetry.andon_escalation_rules.delay_minutes is
    'since the level before was reached';

create table if not exists factory_telemetry.andon_escalation_recipients (
    id uuid primary key default gen_random_uuid(),
    role text not null unique,
    name text not null,
    email text,
    phone text,
    sms_enabled boolean default false,
    email_enabled boolean default true,
    websocket_enabled boolean default true,
    push_enabled boolean default false,
    escalation_levels integer[] default '{1,2,3,4}',
    enabled boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

alter table factory_telemetry.andon_events
    add column if not exists escalation_level integer default 0,
    add column if not exists escalation_status text default 'none'
        check (escalation_status in ('none', 'escalated', 'timeout', 'resolved'));

create index if not exists idx_andon_escalations_event_id
    on factory_telemetry.andon_escalations (event_id);
create index if not exists idx_andon_escalations_status
    on factory_telemetry.andon_escalations (status);
create index if not exists idx_andon_escalations_created_at
    on factory_telemetry.andon_escalations (created_at);
create index if not exists idx_andon_escalation_history_escalation_id
    on factory_telemetry.andon_escalation_history (escalation_id);
create index if not exists idx_andon_escalation_rules_priority
    on factory_telemetry.andon_escalation_rules (priority, escalation_level);

insert into factory_telemetry.andon_escalation_rules
    (priority, escalation_level, delay_minutes, recipients, notification_methods,
     escalation_message_template)
select given.priority, given.level, given.delay, given.recipients::text[], given.methods::text[],
       given.message
from (values
    ('low', 1, 0, '{shift_manager,engineer}', '{email,websocket}',
     'Andon, low: {event_description}'),
    ('low', 2, 15, '{production_manager}', '{email,websocket,sms}',
     'Andon, low, open for 15 minutes: {event_description}'),
    ('medium', 1, 0, '{shift_manager,engineer,production_manager}', '{email,websocket,sms}',
     'Andon, medium: {event_description}'),
    ('medium', 2, 10, '{admin}', '{email,websocket,sms,phone}',
     'Andon, medium, open for 10 minutes: {event_description}'),
    ('high', 1, 0, '{shift_manager,engineer,production_manager,admin}',
     '{email,websocket,sms,phone}', 'Andon, HIGH: {event_description}'),
    ('high', 2, 5, '{all_managers}', '{email,websocket,sms,phone}',
     'Andon, HIGH, open for 5 minutes: {event_description}'),
    ('critical', 1, 0, '{all_managers,admin}', '{email,websocket,sms,phone}',
     'Andon, CRITICAL: {event_description}'),
    ('critical', 2, 2, '{all_managers,admin}', '{email,websocket,sms,phone}',
     'Andon, CRITICAL, open for 2 minutes: {event_description}')
) given (priority, level, delay, recipients, methods, message)
where not exists (select from factory_telemetry.andon_escalation_rules there
                  where there.priority = given.priority
                    and there.escalation_level = given.level);

-- Roles, not people: whoever runs the plant puts addresses and numbers in.
insert into factory_telemetry.andon_escalation_recipients
    (role, name, sms_enabled, push_enabled, escalation_levels)
values ('shift_manager', 'Shift Manager', true, true, '{1,2,3,4}'),
       ('engineer', 'Maintenance Engineer', true, true, '{1,2,3,4}'),
       ('production_manager', 'Production Manager', true, true, '{2,3,4}'),
       ('admin', 'System Administrator', true, true, '{2,3,4}'),
       ('all_managers', 'All Managers', true, true, '{3,4}')
on conflict do nothing;

-- What stands open, the most urgent first; minutes left are null where nothing runs and 0 where it is over.
create or replace view public.v_active_andon_escalations as
select a.id as escalation_id,
       a.event_id,
       a.priority,
       a.escalation_level,
       a.status as escalation_status,
       a.created_at as escalation_created_at,
       a.acknowledged_at,
       a.escalated_at,
       a.acknowledgment_timeout_minutes,
       a.resolution_timeout_minutes,
       a.escalation_recipients,
       a.escalation_notes,
       a.acknowledged_by,
       a.escalated_by,
       e.line_id,
       e.equipment_code,
       e.event_type,
       e.description as event_description,
       e.reported_at,
       e.reported_by,
       reporter.username as reported_by_username,
       acknowledger.username as acknowledged_by_username,
       escalator.username as escalated_by_username,
       l.line_code,
       l.name as line_name,
       case when a.acknowledged_at is null
            then greatest(0, a.acknowledgment_timeout_minutes - age.minutes)
       end as acknowledgment_time_remaining_minutes,
       case when a.resolved_at is null
            then greatest(0, a.resolution_timeout_minutes - age.minutes)
       end as resolution_time_remaining_minutes
from factory_telemetry.andon_escalations a
cross join lateral (select extract(epoch from now() - a.created_at) / 60) age (minutes)
join factory_telemetry.andon_events e on e.id = a.event_id
left join factory_telemetry.production_lines l on l.id = e.line_id
left join factory_telemetry.users reporter on reporter.id = e.reported_by
left join factory_telemetry.users acknowledger on acknowledger.id = a.acknowledged_by
left join factory_telemetry.users escalator on escalator.id = a.escalated_by
where a.status in ('active', 'acknowledged', 'escalated')
order by array_position('{critical,high,medium,low}'::text[], a.priority), a.created_at;

-- The last 30 days, by day and priority.
create or replace view public.v_andon_escalation_statistics as
select a.created_at::date as date,
       a.priority,
       count(*) as total_escalations,
       count(*) filter (where a.status = 'resolved') as resolved_escalations,
       count(*) filter (where a.status = 'escalated') as escalated_escalations,
       count(*) filter (where a.status = 'active') as active_escalations,
       avg(extract(epoch from a.acknowledged_at - a.created_at) / 60)
           as avg_acknowledgment_time_minutes,
       avg(extract(epoch from a.resolved_at - a.created_at) / 60) as avg_resolution_time_minutes,
       max(a.escalation_level) as max_escalation_level_reached
from factory_telemetry.andon_escalations a
where a.created_at >= current_date - 30
group by 1, 2
order by 1 desc, 2;

-- One step for everything that is due. The next rule's delay runs from when the level was reached; whoever has
-- acknowledged gets the time for a resolution as well. Where no further rule is left, the time-out is noted
-- once.
create or replace function factory_telemetry.auto_escalate_andon_events() returns void
language sql as $$
    with standing as (
        select a.id, a.event_id, a.priority, a.status, a.escalation_level,
               level.since as level_since,
               level.since + make_interval(mins => case when a.acknowledged_at is null
                   then a.acknowledgment_timeout_minutes else a.resolution_timeout_minutes
               end) as times_out_at
        from factory_telemetry.andon_escalations a
        cross join lateral (select coalesce(a.escalated_at, a.created_at)) level (since)
        join factory_telemetry.andon_events e on e.id = a.event_id
        where a.status in ('active', 'acknowledged', 'escalated')
          and e.status is distinct from 'resolved'
        for update of a skip locked
    ), due as (
        select s.*, rule.escalation_level as next_level, rule.recipients
        from standing s
        left join lateral (
            select r.escalation_level, r.recipients, r.delay_minutes
            from factory_telemetry.andon_escalation_rules r
            where r.priority = s.priority and r.escalation_level > s.escalation_level and r.enabled
            order by r.escalation_level, r.delay_minutes
            limit 1
        ) rule on true
        where case when rule.escalation_level is null
                   then s.times_out_at <= now() and not exists (
                       select from factory_telemetry.andon_escalation_history h
                       where h.escalation_id = s.id and h.action = 'timeout')
                   else s.level_since + make_interval(mins => rule.delay_minutes) <= now()
                        and (s.status <> 'acknowledged' or s.times_out_at <= now())
              end
    ), escalated as (
        update factory_telemetry.andon_escalations a
        set escalation_level = d.next_level,
            escalation_recipients = d.recipients,
            escalated_at = now(),
            status = case a.status when 'acknowledged' then a.status else 'escalated' end
        from due d
        where a.id = d.id and d.next_level is not null
    ), marked as (
        update factory_telemetry.andon_events e
        set escalation_level = coalesce(d.next_level, d.escalation_level),
            escalation_status = case when d.next_level is null then 'timeout' else 'escalated' end
        from due d
        where e.id = d.event_id
    )
    insert into factory_telemetry.andon_escalation_history
        (escalation_id, action, notes, escalation_level, recipients_notified, notification_method)
    select d.id,
           case when d.next_level is null then 'timeout' else 'escalated' end,
           case when d.next_level is null then 'no further level'
                else format('level %s to %s', d.escalation_level, d.next_level) end,
           coalesce(d.next_level, d.escalation_level),
           d.recipients,
           case when d.next_level is not null then 'auto' end
    from due d
$$;

-- How to reach those who have a role, in the order asked for; the disabled are left out.
create or replace function factory_telemetry.get_escalation_recipients(recipient_roles text[])
returns table (role text, name text, email text, phone text, sms_enabled boolean,
               email_enabled boolean, websocket_enabled boolean, push_enabled boolean)
language sql stable as $$
    select r.role, r.name, r.email, r.phone, r.sms_enabled, r.email_enabled, r.websocket_enabled,
           r.push_enabled
    from factory_telemetry.andon_escalation_recipients r
    where r.role = any (recipient_roles) and r.enabled
    order by array_position(recipient_roles, r.role)
$$;

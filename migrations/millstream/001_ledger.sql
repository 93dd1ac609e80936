-- The ledger: what was read, what became of it, and what is still owed.
-- It lives in the target database, so that progress commits with the rows it stands for.

create schema millstream;

-- Names this ledger. A spool is bound to it; it travels in backups.
create table millstream.identity (
    only_row boolean primary key default true check (only_row),
    ledger_id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now()
);
insert into millstream.identity default values;

-- One pipeline's table: a source table and the target table it goes to.
create table millstream.stream (
    stream_id bigint generated always as identity primary key,
    pipeline text not null,
    source_table text not null,
    target_table text not null,
    kind text not null default 'pipeline' check (kind in ('pipeline', 'replay')),
    -- Schema of the source table: another one is another source.
    source_id text not null,
    -- The copy that the partitions were cut on; another copy is re-hashed before it is read on.
    copy_id text not null,
    -- Columns, zones, units and maps, one a line; its digest decides whether a resume means the same.
    plan text not null,
    plan_sha256 bytea not null check (octet_length(plan_sha256) = 32),
    strategy text not null check (strategy in ('append', 'upsert')),
    -- How rows are sorted into buckets; '' and 0 where the target has no time column.
    bucket_column text not null default '',
    bucket_us bigint not null default 0,
    -- Rows outside [from, to) of the bucket column were left out; µs since 2000.
    window_from bigint,
    window_to bigint,
    -- Columns the hash sums are over: sums add up only over streams that agree on them.
    columns text not null,
    tzdb text not null,
    created_at timestamptz not null default now(),
    unique (pipeline, source_table, target_table, kind)
);

create table millstream.partition (
    stream_id bigint not null references millstream.stream on delete cascade,
    -- Part -1 stands for rows that were in the target before the first batch.
    part integer not null,
    -- Keys of the range, (after, through]; empty means open.
    after bytea not null default '',
    through bytea not null default '',
    -- The fence: epoch names the owner, version grows at every commit.
    epoch bigint not null default 0,
    version bigint not null default 0,
    owner text not null default '',
    position bytea not null default '',
    done boolean not null default false,
    n_read bigint not null default 0,
    n_used bigint not null default 0,
    n_duplicate bigint not null default 0,
    n_filtered bigint not null default 0,
    n_rejected bigint not null default 0,
    n_held bigint not null default 0,
    -- Rows made and landed: the sum of what finish() of COPY answered.
    n_made bigint not null default 0,
    -- Order-free sum of the hashes of the raw source rows read: finds a source that changed.
    source_sum bytea not null default decode(repeat('00', 16), 'hex')
        check (octet_length(source_sum) = 16),
    primary key (stream_id, part),
    constraint balance
        check (n_read = n_used + n_duplicate + n_filtered + n_rejected + n_held)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- What verify compares: rows and order-free hash sum by chunk-sized time bucket.
-- '-infinity' is the one bucket of a table without time.
create table millstream.bucket (
    stream_id bigint not null,
    part integer not null,
    bucket timestamptz not null,
    n bigint not null,
    sum bytea not null check (octet_length(sum) = 16),
    primary key (stream_id, part, bucket),
    foreign key (stream_id, part) references millstream.partition on delete cascade
) with (fillfactor = 70);

-- State of transforms: one row a key, written in the transaction of the rows it came from.
create table millstream.state (
    stream_id bigint not null,
    part integer not null,
    key text not null,
    value bytea not null check (octet_length(value) <= 8192),
    primary key (stream_id, part, key),
    foreign key (stream_id, part) references millstream.partition on delete cascade
) with (fillfactor = 70);

create table millstream.dead_letter (
    dead_letter_id bigint generated always as identity primary key,
    stream_id bigint not null references millstream.stream on delete cascade,
    part integer not null,
    position bytea not null,
    stage text not null check (stage in ('transform', 'sink')),
    reason text not null,
    sqlstate text,
    -- The target column it is about, and the source column that it comes from.
    column_name text,
    source_column text,
    -- The row as read: column to value; what JSON cannot hold is {"$text": hex}, {"$blob": hex}, {"$real": …}.
    original jsonb not null,
    status text not null default 'open' check (status in ('open', 'replayed', 'discarded')),
    at timestamptz not null default now(),
    unique (stream_id, part, position)
);

-- What a crash could leave undone, written down before it is owed.
create table millstream.ddl_debt (
    debt_id bigint generated always as identity primary key,
    table_name text not null,
    kind text not null check (kind in ('index', 'foreign_key')),
    object_name text not null,
    definition text not null,
    state text not null default 'owed' check (state in ('owed', 'paid')),
    owed_at timestamptz not null default now(),
    paid_at timestamptz
);
create unique index ddl_debt_owed on millstream.ddl_debt (table_name, object_name)
    where state = 'owed';

create table millstream.run (
    run_id bigint generated always as identity primary key,
    pipeline text not null,
    command text not null,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    millstream text not null,
    tzdb text not null,
    result text
);

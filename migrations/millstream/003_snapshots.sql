-- Which snapshots of a live source a partition was read in. More than one: what changed in between below
-- the position from which it was read on is not in the target.

create table millstream.snapshot (
    stream_id bigint not null,
    part integer not null,
    -- When it was taken, and which transactions it sees.
    name text not null,
    -- Where reading went on.
    from_position bytea not null,
    at timestamptz not null default now(),
    primary key (stream_id, part, name),
    foreign key (stream_id, part) references millstream.partition on delete cascade
);

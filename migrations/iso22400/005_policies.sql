-- 005 - Policies
-- Compression, retention and refresh. `policy apply` changes them; this is what they start as.

-- needs compression
alter table public.equipment_states set (timescaledb.compress,
    timescaledb.compress_segmentby = '"equipmentId"',
    timescaledb.compress_orderby = '"timestamp" desc, "startTime"');

-- needs compression
alter table public.production_counts set (timescaledb.compress,
    timescaledb.compress_segmentby = '"equipmentId"',
    timescaledb.compress_orderby = '"timestamp" desc');

-- needs compression
alter table public.quality_events set (timescaledb.compress,
    timescaledb.compress_segmentby = '"equipmentId"',
    timescaledb.compress_orderby = '"timestamp" desc, id');

-- needs compression
alter table public.oee_calculations set (timescaledb.compress,
    timescaledb.compress_segmentby = '"equipmentId"',
    timescaledb.compress_orderby = '"shiftDate" desc, "shiftInstanceId"');

-- needs compression
select add_compression_policy('public.equipment_states', interval '7 days', if_not_exists => true);

-- needs compression
select add_compression_policy('public.production_counts', interval '7 days', if_not_exists => true);

-- needs compression
select add_compression_policy('public.quality_events', interval '30 days', if_not_exists => true);

-- needs compression
select add_compression_policy('public.oee_calculations', interval '30 days', if_not_exists => true);

-- needs compression
select add_retention_policy('public.equipment_states', interval '2 years', if_not_exists => true);

-- needs compression
select add_retention_policy('public.production_counts', interval '2 years', if_not_exists => true);

-- needs compression
select add_retention_policy('public.quality_events', interval '3 years', if_not_exists => true);

-- needs compression
select add_retention_policy('public.oee_calculations', interval '5 years', if_not_exists => true);

-- As far back as the rows are kept: only what changed is computed again, so a shift is taken up however
-- late it comes. Not further: a date whose rows are gone keeps what it had.
-- needs compression
select add_continuous_aggregate_policy('public.oee_hourly', start_offset => interval '5 years',
    end_offset => interval '1 hour', schedule_interval => interval '30 minutes',
    if_not_exists => true);

-- needs compression
select add_continuous_aggregate_policy('public.oee_daily_workcenter',
    start_offset => interval '5 years', end_offset => interval '1 hour',
    schedule_interval => interval '1 hour', if_not_exists => true);

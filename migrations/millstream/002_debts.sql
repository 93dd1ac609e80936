-- What is owed around a load: policies that were paused, chunks to compress again, aggregates to refresh.
-- And whose debt it is: a debt whose pipeline does not run is anyone's to pay.

alter table millstream.ddl_debt drop constraint ddl_debt_kind_check;
alter table millstream.ddl_debt add constraint ddl_debt_kind_check
    check (kind in ('index', 'foreign_key', 'policy', 'recompress', 'refresh'));
-- Empty: nobody's.
alter table millstream.ddl_debt add column pipeline text not null default '';
update millstream.ddl_debt d set pipeline = coalesce((
    select s.pipeline from millstream.stream s where s.target_table = d.table_name
    order by s.stream_id desc limit 1), '') where state = 'owed';

-- An aggregate may be called like an index of another schema.
drop index millstream.ddl_debt_owed;
create unique index ddl_debt_owed on millstream.ddl_debt (table_name, kind, object_name)
    where state = 'owed';

-- Rows came since the aggregates over the bucket, and its compression, were last put in order.
alter table millstream.bucket add column unsettled boolean not null default false;

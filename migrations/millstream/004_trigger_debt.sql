-- Triggers that a load has turned off are owed, too.

alter table millstream.ddl_debt drop constraint ddl_debt_kind_check;
alter table millstream.ddl_debt add constraint ddl_debt_kind_check
    check (kind in ('trigger', 'index', 'foreign_key', 'policy', 'recompress', 'refresh'));

-- 006 - Shift Days and Evidence
-- On which days a shift is worked; how far what is known of a unit reaches; what a result was computed from.

alter table public."Shift" add column if not exists "weekDays" smallint[]
    check ("weekDays" <@ '{1,2,3,4,5,6,7}'::smallint[] and array_position("weekDays", null) is null);
comment on column public."Shift"."weekDays" is
    'new: days on which the shift starts, 1 Monday to 7 Sunday; null is every day';

alter table public."Equipment" add column if not exists "lastSeenAt" timestamptz;
comment on column public."Equipment"."lastSeenAt" is
    'new: time of the last record of its state: the open state is known up to here, and nothing after it';

alter table public.oee_calculations add column if not exists "inputDigest" bytea;
comment on column public.oee_calculations."inputDigest" is
    'new: hash of everything the row was computed from: the same inputs are not computed again';

-- What a unit does is no change of its record: "updatedAt" stays when only the open state moves.
create or replace trigger "Equipment_updated_at" before update of code, name, "workCenterId",
    "equipmentType", manufacturer, model, "serialNumber", "theoreticalCycleTime", "nominalSpeed",
    "isActive", "commissionDate" on public."Equipment" for each row
    when (old.* is distinct from new.* and old."updatedAt" = new."updatedAt")
    execute function public.update_updated_at();

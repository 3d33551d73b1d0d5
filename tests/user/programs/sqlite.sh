# sqlite3. interp: yes
sqlite3 base.db <<'X'
pragma journal_mode = wal;
create table t (id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t select i, 'name' || (i % 17), i * 1.5 from n;
create index by_name on t (name);
select count(*), sum(value), avg(id), min(name), max(name) from t;
select name, count(*), printf('%.3f', total(value)) from t group by name order by 2 desc, 1 limit 5;
begin; update t set value = -value where id % 3 = 0; rollback;
begin; delete from t where id > 1500; commit;
select count(*), sum(value) from t; select round(sqrt(2), 10), abs(-5), upper('x'), hex('ab'), substr('hello', 2, 3), 7 / 2, 7 / 2.0, 9223372036854775807 + 1;
select json_extract('{"a": [1, {"b": 2}]}', '$.a[1].b'), date(0, 'unixepoch'), strftime('%H:%M', '2020-02-02 12:34'), quote(x'00ff');
explain query plan select * from t where name = 'name3';
pragma integrity_check; vacuum;
create virtual table f using fts5(text); insert into f values ('the quick fox'), ('lazy dogs'); select text from f where f match 'quick';
X
sqlite3 base.db 'select * from t' | sha256sum; sqlite3 base.db 'select x from nothing' 2>/dev/null; echo "status $?"

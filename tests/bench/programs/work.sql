-- Inserts, indexes, joins, groups, text, updates; nothing that depends on time or chance.
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, kind INTEGER, price REAL);
WITH RECURSIVE n(i, r) AS (SELECT 1, 12345 UNION ALL SELECT i + 1, (r * 1103515245 + 12345) % 2147483648 FROM n WHERE i < 30000)
INSERT INTO item SELECT i, printf('%x-%05d', r, i), r % 97, (r % 10000) / 4.0 FROM n;
CREATE INDEX item_kind ON item (kind, price);
CREATE TABLE kind (id INTEGER PRIMARY KEY, title TEXT);
INSERT INTO kind SELECT DISTINCT kind, 'kind ' || kind FROM item;
SELECT k.title, count(*), sum(i.price), max(i.name) FROM item i JOIN kind k ON k.id = i.kind GROUP BY k.id ORDER BY 3 DESC, 1;
SELECT count(*) FROM item a JOIN item b ON a.kind = b.kind AND a.price = b.price AND a.id < b.id;
UPDATE item SET price = price * 2 WHERE name LIKE '%7f%';
SELECT substr(name, 1, 2) p, count(*), sum(price) FROM item GROUP BY p HAVING count(*) > 20 ORDER BY 2 DESC, 1 LIMIT 50;
DELETE FROM item WHERE kind % 3 = 0;
SELECT count(*), sum(length(name)), sum(id), sum(price) FROM item;
SELECT id, name FROM item ORDER BY name DESC LIMIT 20;

CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'a');
CREATE SUBSCRIPTION sub1 CONNECTION 'host=127.0.0.1 dbname=publisher' PUBLICATION pub1
    WITH (create_slot = false, slot_name = 's1', enabled = false);
ALTER SUBSCRIPTION sub1 ENABLE;

CREATE TABLE docs (id int PRIMARY KEY, body tsvector);
INSERT INTO docs VALUES (1, to_tsvector('simple', 'one two')), (2, to_tsvector('simple', 'two three'));
CREATE FUNCTION words() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM docs $$;
CREATE MATERIALIZED VIEW n_words AS SELECT words() AS n;
CREATE UNIQUE INDEX ON n_words (n);

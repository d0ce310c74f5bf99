-- Everything whose text depends on settings, on versions, or on how it is stored.
CREATE DOMAIN public.percent AS numeric CHECK (VALUE <= 100);
CREATE TYPE public.mood AS ENUM ('sad', 'happy');
CREATE TYPE public.pair AS (a int, b text, c bytea);
CREATE TABLE public.t (
    id bigint GENERATED ALWAYS AS IDENTITY,
    gone int,
    f4 real, f8 double precision, n numeric, m money, d public.percent, mo public.mood,
    t text, c char(5), b bytea, ba bytea[], p public.pair, ps public.pair[], i int[], u uuid, j json, jb jsonb,
    dt date, ts timestamp, tz timestamptz, iv interval,
    ip inet, r int4range, mr int4multirange, bi bit(3), bo boolean, o regclass, pt point, tv tsvector, ln pg_lsn,
    twice int GENERATED ALWAYS AS (bi::int * 2) STORED
);
ALTER TABLE public.t DROP COLUMN gone;
INSERT INTO public.t
    (f4, f8, n, m, d, mo, t, c, b, ba, p, ps, i, u, j, jb, dt, ts, tz, iv, ip, r, mr, bi, bo, o, pt, tv, ln)
VALUES
    (
        0.1, 0.1, 'NaN', 1234.5, 99.5, 'happy', E'a"b\\c,(d)\n\té€', 'ab', '\x00ff',
        ARRAY['\x00'::bytea, NULL], ROW(1, E'"\\', '\xff'), ARRAY[ROW(1, NULL, NULL)::public.pair],
        '{{1,2},{3,NULL}}', '00000000-0000-0000-0000-000000000001',
        '{"b": 1,  "a": 1.0}', '{"b": 1, "a": 1.0}',
        '0044-03-15 BC', 'infinity', '2026-03-29 01:30:00+00', '1 year 2 mons -3 days 04:05:06.789',
        '10.0.0.1/8', '[1,5)', '{[1,3),[7,9)}', '101', true, 'pg_catalog.pg_class', '(1.5,-2)', 'a:1 b:2', '16/B374D848'
    ),
    (
        'NaN', 'Infinity', 'Infinity', -0.01, NULL, NULL, '', '', '', '{}', NULL, '{}', '{}', NULL, 'null', 'null',
        'infinity', '-infinity', '-infinity', '-1 day',
        '::1', 'empty', '{}', '000', false, NULL, '(NaN,Infinity)', '', '0/0'
    ),
    (
        '-Infinity', '-0', 1e-20, 0, 0, 'sad', 'NULL', ' ', decode(repeat('00ff', 1000), 'hex'), NULL,
        ROW(NULL, NULL, NULL), NULL, NULL, NULL, E'[1,\n2]', '[]',
        '5874897-12-31', '0001-01-01', '9999-12-31 23:59:59.999999+14', '178000000 years',
        'fe80::1/64', '(,)', '{(,)}', '111', NULL, 'public.t', NULL, NULL, 'FFFFFFFF/FFFFFFFF'
    );

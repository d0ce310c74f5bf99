CREATE TABLE logins (at timestamptz, who text);
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'a');
CREATE FUNCTION on_login() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN INSERT INTO public.logins VALUES (now(), session_user); END $$;
CREATE EVENT TRIGGER aa_login ON login EXECUTE FUNCTION on_login();

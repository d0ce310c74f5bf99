-- A database as the platform hands it over: its roles, schemas, owners, default privileges, event triggers and rows.
-- Names and rights are the platform's; what its functions do is cut down to what a backup can meet.
CREATE ROLE postgres LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS;
ALTER DATABASE postgres OWNER TO postgres;
GRANT pg_monitor, pg_read_all_data, pg_signal_backend TO postgres;
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated, service_role TO authenticator;
GRANT anon, authenticated, service_role TO postgres WITH ADMIN OPTION;
CREATE ROLE supabase_auth_admin LOGIN NOINHERIT CREATEROLE;
CREATE ROLE supabase_storage_admin LOGIN NOINHERIT CREATEROLE;
CREATE ROLE supabase_realtime_admin NOLOGIN NOINHERIT;
CREATE ROLE supabase_functions_admin LOGIN NOINHERIT CREATEROLE;
CREATE ROLE supabase_replication_admin LOGIN REPLICATION;
CREATE ROLE supabase_read_only_user LOGIN BYPASSRLS;
CREATE ROLE dashboard_user CREATEDB CREATEROLE REPLICATION;
CREATE ROLE pgbouncer LOGIN;
ALTER ROLE anon SET statement_timeout = '3s';
ALTER ROLE authenticator SET session_preload_libraries = 'safeupdate';
ALTER ROLE postgres SET search_path = "$user", public, extensions;
GRANT ALL ON DATABASE postgres TO dashboard_user;

CREATE SCHEMA extensions AUTHORIZATION postgres;
CREATE SCHEMA auth;
CREATE SCHEMA storage;
CREATE SCHEMA realtime;
CREATE SCHEMA graphql_public;
CREATE SCHEMA vault;
CREATE SCHEMA pgsodium;
CREATE SCHEMA pgbouncer AUTHORIZATION pgbouncer;
GRANT USAGE ON SCHEMA public, extensions, auth, storage, realtime TO postgres, anon, authenticated, service_role;
GRANT ALL ON SCHEMA auth, storage, extensions TO postgres, dashboard_user;
GRANT ALL ON SCHEMA storage TO postgres WITH GRANT OPTION;
GRANT ALL ON SCHEMA auth TO supabase_auth_admin;
GRANT ALL ON SCHEMA storage TO supabase_storage_admin;

CREATE EXTENSION pgsodium WITH SCHEMA pgsodium;
CREATE EXTENSION supabase_vault WITH SCHEMA vault;
CREATE EXTENSION pgcrypto WITH SCHEMA extensions;
CREATE EXTENSION pg_stat_statements WITH SCHEMA extensions;
CREATE EXTENSION pg_graphql;
CREATE EXTENSION pg_cron;
CREATE EXTENSION pg_net;
GRANT USAGE ON SCHEMA cron, net TO postgres WITH GRANT OPTION;
GRANT ALL ON ALL TABLES IN SCHEMA cron TO postgres WITH GRANT OPTION;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA cron TO postgres WITH GRANT OPTION;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA cron TO postgres;
REVOKE ALL ON cron.job FROM postgres;
GRANT SELECT ON cron.job TO postgres WITH GRANT OPTION;

ALTER DEFAULT PRIVILEGES FOR ROLE postgres, supabase_admin IN SCHEMA public
  GRANT ALL ON TABLES TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres, supabase_admin IN SCHEMA public
  GRANT ALL ON FUNCTIONS TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres, supabase_admin IN SCHEMA public
  GRANT ALL ON SEQUENCES TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA storage
  GRANT ALL ON TABLES TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_auth_admin IN SCHEMA auth GRANT ALL ON TABLES TO postgres, dashboard_user;

CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
ALTER FUNCTION auth.uid() OWNER TO supabase_auth_admin;
CREATE TABLE auth.users (
  id uuid PRIMARY KEY, email varchar(255), encrypted_password varchar(255), is_sso_user boolean NOT NULL DEFAULT false,
  raw_user_meta_data jsonb, created_at timestamptz,
  confirmed_at timestamptz GENERATED ALWAYS AS (created_at) STORED
);
CREATE UNIQUE INDEX users_email_partial_key ON auth.users (email) WHERE NOT is_sso_user;
CREATE TABLE auth.identities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
  provider text NOT NULL
);
CREATE TABLE auth.refresh_tokens (id bigserial PRIMARY KEY, user_id uuid REFERENCES auth.users, token varchar(255));
CREATE TABLE auth.schema_migrations (version varchar(255) PRIMARY KEY);
ALTER TABLE auth.users OWNER TO supabase_auth_admin;
ALTER TABLE auth.identities OWNER TO supabase_auth_admin;
ALTER TABLE auth.refresh_tokens OWNER TO supabase_auth_admin;
ALTER TABLE auth.schema_migrations OWNER TO supabase_auth_admin;
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE auth.users IS 'Logins';
GRANT ALL ON ALL TABLES IN SCHEMA auth TO postgres, dashboard_user;
GRANT ALL ON ALL SEQUENCES IN SCHEMA auth TO postgres, dashboard_user;
INSERT INTO auth.schema_migrations VALUES ('20171026211738'), ('20250717082212');

CREATE TABLE storage.buckets (id text PRIMARY KEY, name text UNIQUE NOT NULL, public boolean DEFAULT false);
CREATE TABLE storage.objects (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), bucket_id text REFERENCES storage.buckets, name text,
  owner_id text, updated_at timestamptz DEFAULT now()
);
CREATE TABLE storage.migrations (id integer PRIMARY KEY, name varchar(100) UNIQUE NOT NULL);
CREATE FUNCTION storage.foldername(name text) RETURNS text[] LANGUAGE sql
  AS $$ SELECT (string_to_array(name, '/'))[1:array_length(string_to_array(name, '/'), 1) - 1] $$;
CREATE FUNCTION storage.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE FUNCTION storage.protect_delete() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN RAISE EXCEPTION 'Direct deletion from storage tables is not allowed'; END $$;
ALTER TABLE storage.buckets OWNER TO supabase_storage_admin;
ALTER TABLE storage.objects OWNER TO supabase_storage_admin;
ALTER TABLE storage.migrations OWNER TO supabase_storage_admin;
ALTER FUNCTION storage.foldername(text) OWNER TO supabase_storage_admin;
ALTER FUNCTION storage.update_updated_at_column() OWNER TO supabase_storage_admin;
ALTER FUNCTION storage.protect_delete() OWNER TO supabase_storage_admin;
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
CREATE TRIGGER update_objects_updated_at BEFORE UPDATE ON storage.objects
  FOR EACH ROW EXECUTE FUNCTION storage.update_updated_at_column();
CREATE TRIGGER protect_objects_delete BEFORE DELETE ON storage.objects
  FOR EACH STATEMENT EXECUTE FUNCTION storage.protect_delete();
GRANT ALL ON ALL TABLES IN SCHEMA storage TO postgres, anon, authenticated, service_role;
INSERT INTO storage.migrations VALUES (0, 'create-migrations-table');

CREATE TABLE realtime.messages (
  topic text NOT NULL, payload jsonb, inserted_at timestamp NOT NULL DEFAULT now()
) PARTITION BY RANGE (inserted_at);
CREATE TABLE realtime.messages_2026 PARTITION OF realtime.messages FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE realtime.schema_migrations (version bigint PRIMARY KEY);
ALTER TABLE realtime.messages OWNER TO supabase_realtime_admin;
INSERT INTO realtime.messages (topic, inserted_at) VALUES ('room', '2026-05-05');
CREATE FUNCTION graphql_public.graphql(query text) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{}'::jsonb $$;
CREATE FUNCTION pgbouncer.get_auth(p_usename text) RETURNS text LANGUAGE sql SECURITY DEFINER
  AS $$ SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 $$;
REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO pgbouncer;

CREATE PUBLICATION supabase_realtime;
ALTER PUBLICATION supabase_realtime OWNER TO postgres;
CREATE PUBLICATION supabase_realtime_messages_publication FOR TABLE realtime.messages;

CREATE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql
  AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$;
CREATE FUNCTION extensions.grant_pg_cron_access() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
ALTER FUNCTION extensions.grant_pg_cron_access() OWNER TO postgres;
CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_ddl_watch();
CREATE EVENT TRIGGER issue_pg_cron_access ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION')
  EXECUTE FUNCTION extensions.grant_pg_cron_access();

-- What the platform's own library lets the role do that owns none of it.
GRANT SET ON PARAMETER session_replication_role TO postgres;
GRANT supabase_auth_admin, supabase_storage_admin TO postgres;

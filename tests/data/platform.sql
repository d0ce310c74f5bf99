-- What the platform has beside the tables of the reference database: small, with data of its kind.
\set ON_ERROR_STOP on

CREATE TABLE profiles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    client_id uuid REFERENCES clients (id),
    display_name text NOT NULL,
    preferences jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE user_roles (
    profile_id uuid REFERENCES profiles (id) ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
    PRIMARY KEY (profile_id, role)
);
CREATE TABLE call_sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient_id bigint REFERENCES recipients (id),
    started_at timestamptz NOT NULL,
    duration interval,
    notes text
);
CREATE TABLE templates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text UNIQUE NOT NULL,
    body text NOT NULL
);
CREATE TABLE error_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    level text NOT NULL,
    message text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO profiles (client_id, display_name) SELECT id, 'Profile of ' || name FROM clients;
INSERT INTO user_roles SELECT id, 'editor' FROM profiles;
INSERT INTO call_sessions (recipient_id, started_at, duration, notes)
SELECT id, now() - id * interval '1 minute', interval '90 seconds', 'called back' FROM recipients WHERE id % 7 = 0;
INSERT INTO templates (name, body) SELECT 'Template ' || g, repeat('<p>Hello</p>', 10) FROM generate_series(1, 40) g;
INSERT INTO error_logs (level, message, created_at)
SELECT 'warning', 'delivery delayed by ' || g || ' s', now() - g * interval '1 hour' FROM generate_series(1, 500) g;

ALTER TABLE sms_opt_ins ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_consents ON sms_opt_ins USING (true);
CREATE VIEW live_campaigns AS SELECT c.id, c.name, l.name AS client FROM campaigns c JOIN clients l ON l.id = c.client_id
WHERE c.status = 'live';
ANALYZE;

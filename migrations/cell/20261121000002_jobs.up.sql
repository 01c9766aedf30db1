-- The durable queue. Tenants share it by weight: see kernel::jobs.

-- A tenant's lane: its share and its limits. The worker reads and advances it when it claims.
CREATE TABLE cell.job_lane (
    tenant_id uuid PRIMARY KEY DEFAULT current_setting('freehold.tenant_id')::uuid,
    weight integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    max_running integer NOT NULL DEFAULT 16 CHECK (max_running > 0),
    -- A suspended tenant's lane is not claimed from; its jobs wait.
    paused boolean NOT NULL DEFAULT false,
    -- Virtual time of stride scheduling: the lane with the smallest pass goes next.
    pass double precision NOT NULL DEFAULT 0
);
ALTER TABLE cell.job_lane ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.job_lane FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.job_lane TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.job_lane FOR SELECT TO freehold_operator USING (true);
CREATE POLICY staff_write ON cell.job_lane FOR INSERT TO freehold_operator WITH CHECK (true);
CREATE POLICY staff_pause ON cell.job_lane FOR UPDATE TO freehold_operator USING (true);
CREATE POLICY worker ON cell.job_lane TO freehold_worker USING (true);
GRANT SELECT ON cell.job_lane TO freehold_app;
GRANT SELECT, INSERT ON cell.job_lane TO freehold_operator;
GRANT UPDATE (weight, max_running, paused) ON cell.job_lane TO freehold_operator;
GRANT SELECT, INSERT, UPDATE ON cell.job_lane TO freehold_worker;

CREATE TABLE cell.job (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('scheduled', 'ready', 'running', 'done', 'dead')),
    priority smallint NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL CHECK (max_attempts > 0),
    dedup_key text,
    -- Jobs of one tenant with the same key run one at a time, in the order of their ids.
    ordering_key text,
    -- Raised by every claim: a worker whose lease was taken over can no longer settle the job.
    lease_token bigint NOT NULL DEFAULT 0,
    lease_owner uuid,
    lease_until timestamptz,
    actor text NOT NULL,
    correlation_id uuid NOT NULL,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX job_unique ON cell.job (tenant_id, kind, dedup_key)
    WHERE dedup_key IS NOT NULL AND state IN ('scheduled', 'ready', 'running');
CREATE INDEX job_ready ON cell.job (tenant_id, priority DESC, id) WHERE state = 'ready';
CREATE INDEX job_scheduled ON cell.job (tenant_id, run_at) WHERE state = 'scheduled';
CREATE INDEX job_running ON cell.job (tenant_id, lease_until) WHERE state = 'running';
CREATE INDEX job_dead ON cell.job (tenant_id, id) WHERE state = 'dead';
CREATE INDEX job_order ON cell.job (tenant_id, ordering_key, id)
    WHERE ordering_key IS NOT NULL AND state IN ('scheduled', 'ready', 'running');
CREATE INDEX job_correlation ON cell.job (tenant_id, correlation_id);
ALTER TABLE cell.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.job FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.job TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.job FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.job TO freehold_app;
GRANT SELECT ON cell.job TO freehold_operator;
CREATE POLICY ingest ON cell.job FOR INSERT TO freehold_ingest
    WITH CHECK (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
GRANT INSERT ON cell.job TO freehold_ingest;
CREATE POLICY worker ON cell.job TO freehold_worker USING (true);
GRANT SELECT, UPDATE, DELETE ON cell.job TO freehold_worker;
-- Each job leaves a few dead row versions behind, at the very places where the next claim looks. A
-- share of the table's size would let a big backlog put vacuuming off.
ALTER TABLE cell.job SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE cell.job_lane SET (fillfactor = 50);

-- Recurring jobs. Whoever holds the lease of a due row enqueues its job, on one node only.
CREATE TABLE cell.job_schedule (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    name text NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    cron text NOT NULL,
    next_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE INDEX job_schedule_due ON cell.job_schedule (tenant_id, next_at);
ALTER TABLE cell.job_schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.job_schedule FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.job_schedule TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.job_schedule FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.job_schedule TO freehold_app;
GRANT SELECT ON cell.job_schedule TO freehold_operator;
CREATE POLICY worker ON cell.job_schedule TO freehold_worker USING (true);
GRANT SELECT, UPDATE ON cell.job_schedule TO freehold_worker;
GRANT INSERT ON cell.job TO freehold_worker;

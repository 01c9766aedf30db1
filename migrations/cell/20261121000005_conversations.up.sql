CREATE TABLE cell.contact (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    channel text NOT NULL,
    -- The contact's id on the channel: a phone number in E.164, a chat id.
    address text NOT NULL,
    name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT contact_address_key UNIQUE (tenant_id, channel, address)
);
ALTER TABLE cell.contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.contact FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.contact TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.contact FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.contact TO freehold_app;
GRANT SELECT ON cell.contact TO freehold_operator;

CREATE TABLE cell.conversation (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    channel text NOT NULL,
    -- Our side of it: the number, bot or account that the contact wrote to.
    account text NOT NULL,
    contact_id uuid NOT NULL,
    credential_id uuid,
    message_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_message_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES cell.contact,
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE SET NULL (credential_id),
    CONSTRAINT conversation_parties_key UNIQUE (tenant_id, channel, account, contact_id)
);
CREATE INDEX conversation_contact ON cell.conversation (tenant_id, contact_id);
CREATE INDEX conversation_credential ON cell.conversation (tenant_id, credential_id);
CREATE INDEX conversation_recent ON cell.conversation (tenant_id, last_message_at DESC, id DESC);
ALTER TABLE cell.conversation ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.conversation FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.conversation TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.conversation FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.conversation TO freehold_app;
GRANT SELECT ON cell.conversation TO freehold_operator;

CREATE TABLE cell.message (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    -- The place in the conversation, from 1, without gaps.
    seq bigint NOT NULL,
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    author text NOT NULL CHECK (author IN ('contact', 'agent', 'api')),
    kind text NOT NULL,
    text text,
    -- References to media at the provider: [{"id": …, "mime_type": …, "url": …}].
    media jsonb NOT NULL DEFAULT '[]',
    -- The provider's id of the message; unknown until an outbound one is accepted.
    external_id text,
    status text NOT NULL CHECK (status IN
        ('received', 'queued', 'sending', 'sent', 'delivered', 'read', 'failed')),
    error text,
    idempotency_key text,
    inbound_event_id uuid,
    correlation_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    provider_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES cell.conversation ON DELETE CASCADE,
    CONSTRAINT message_seq_key UNIQUE (tenant_id, conversation_id, seq),
    CONSTRAINT message_idempotency_key UNIQUE (tenant_id, idempotency_key)
);
CREATE UNIQUE INDEX message_external_key ON cell.message (tenant_id, conversation_id, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX message_external ON cell.message (tenant_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX message_correlation ON cell.message (tenant_id, correlation_id);
ALTER TABLE cell.message ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.message FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.message TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.message FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.message TO freehold_app;
GRANT SELECT ON cell.message TO freehold_operator;

CREATE TABLE cell.agent (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The provider whose credential pays for the model, as in `openai`.
    provider text NOT NULL,
    model text NOT NULL,
    instructions text NOT NULL CHECK (length(instructions) <= 32000),
    -- How many earlier messages of the conversation the model is shown.
    history integer NOT NULL DEFAULT 20 CHECK (history BETWEEN 0 AND 200),
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT agent_name_key UNIQUE (tenant_id, name)
);
ALTER TABLE cell.agent ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.agent FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.agent TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.agent FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.agent TO freehold_app;
GRANT SELECT ON cell.agent TO freehold_operator;

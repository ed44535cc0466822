CREATE TABLE audit (
	id BIGSERIAL NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	"user" TEXT NOT NULL,
	host TEXT NOT NULL,
	pid BIGINT NOT NULL,
	command TEXT NOT NULL,
	what TEXT NOT NULL,
	wave TEXT,
	mailbox TEXT,
	detail TEXT NOT NULL,
	CONSTRAINT pk_audit PRIMARY KEY (id)
)

CREATE TABLE belonging (
	mailbox TEXT NOT NULL,
	kind TEXT NOT NULL,
	place TEXT NOT NULL,
	name TEXT NOT NULL,
	ours TEXT,
	intended TEXT,
	reason TEXT NOT NULL,
	remedy TEXT NOT NULL,
	CONSTRAINT pk_belonging PRIMARY KEY (mailbox, kind, place, name)
)

CREATE TABLE canary (
	id BIGSERIAL NOT NULL,
	token TEXT NOT NULL,
	wave TEXT NOT NULL,
	phase TEXT NOT NULL,
	address TEXT NOT NULL,
	ingress TEXT NOT NULL,
	expected TEXT NOT NULL,
	absent_on TEXT NOT NULL,
	state TEXT NOT NULL,
	sent_at TIMESTAMP WITH TIME ZONE,
	detail TEXT NOT NULL,
	CONSTRAINT pk_canary PRIMARY KEY (id),
	CONSTRAINT uq_canary_token UNIQUE (token)
)

CREATE TABLE content_audit (
	mailbox TEXT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	grade TEXT NOT NULL,
	mode TEXT NOT NULL,
	compared BIGINT NOT NULL,
	counts TEXT NOT NULL,
	CONSTRAINT pk_content_audit PRIMARY KEY (mailbox)
)

CREATE TABLE decision (
	mailbox TEXT NOT NULL,
	accepted_reason TEXT,
	accepted TEXT,
	skipped_reason TEXT,
	CONSTRAINT pk_decision PRIMARY KEY (mailbox)
)

CREATE TABLE directory_entry (
	directory TEXT NOT NULL,
	address TEXT NOT NULL,
	position BIGINT NOT NULL,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	department TEXT NOT NULL,
	CONSTRAINT pk_directory_entry PRIMARY KEY (directory, address)
)

CREATE TABLE directory_tie (
	directory TEXT NOT NULL,
	address TEXT NOT NULL,
	kind TEXT NOT NULL,
	other TEXT NOT NULL,
	position BIGINT NOT NULL,
	CONSTRAINT pk_directory_tie PRIMARY KEY (directory, address, kind, other)
)

CREATE TABLE doing (
	mailbox TEXT NOT NULL,
	wave TEXT NOT NULL,
	kind TEXT NOT NULL,
	held_by TEXT NOT NULL,
	detail TEXT NOT NULL,
	until TIMESTAMP WITH TIME ZONE,
	since TIMESTAMP WITH TIME ZONE NOT NULL,
	started TIMESTAMP WITH TIME ZONE,
	planned_messages BIGINT NOT NULL,
	planned_octets BIGINT NOT NULL,
	messages BIGINT NOT NULL,
	octets BIGINT NOT NULL,
	CONSTRAINT pk_doing PRIMARY KEY (mailbox)
)

CREATE TABLE flip (
	id BIGSERIAL NOT NULL,
	wave TEXT NOT NULL,
	ingress TEXT NOT NULL,
	step TEXT NOT NULL,
	address TEXT NOT NULL,
	expected TEXT,
	wanted TEXT,
	intended TIMESTAMP WITH TIME ZONE NOT NULL,
	confirmed TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_flip PRIMARY KEY (id)
)

CREATE TABLE folder (
	id BIGSERIAL NOT NULL,
	mailbox TEXT NOT NULL,
	source_name TEXT NOT NULL,
	target_name TEXT NOT NULL,
	source_uidvalidity BIGINT NOT NULL,
	target_uidvalidity BIGINT NOT NULL,
	source_uidnext BIGINT NOT NULL,
	source_modseq BIGINT NOT NULL,
	source_messages BIGINT NOT NULL,
	gone BOOLEAN NOT NULL,
	CONSTRAINT pk_folder PRIMARY KEY (id),
	CONSTRAINT uq_folder_mailbox_source_name UNIQUE (mailbox, source_name)
)

CREATE TABLE hold (
	wave TEXT NOT NULL,
	not_before TIMESTAMP WITH TIME ZONE,
	postponed BOOLEAN NOT NULL,
	CONSTRAINT pk_hold PRIMARY KEY (wave)
)

CREATE TABLE lease (
	key TEXT NOT NULL,
	fence BIGINT NOT NULL,
	held BOOLEAN NOT NULL,
	"user" TEXT NOT NULL,
	host TEXT NOT NULL,
	pid BIGINT NOT NULL,
	command TEXT NOT NULL,
	process TEXT NOT NULL,
	since TIMESTAMP WITH TIME ZONE NOT NULL,
	expires TIMESTAMP WITH TIME ZONE NOT NULL,
	ttl_seconds FLOAT NOT NULL,
	CONSTRAINT pk_lease PRIMARY KEY (key)
)

CREATE TABLE mailbox_folder (
	mailbox TEXT NOT NULL,
	name TEXT NOT NULL,
	whose TEXT NOT NULL,
	messages BIGINT NOT NULL,
	octets BIGINT,
	largest BIGINT,
	special_use TEXT,
	mine TEXT NOT NULL,
	CONSTRAINT pk_mailbox_folder PRIMARY KEY (mailbox, name)
)

CREATE TABLE mailbox_share (
	mailbox TEXT NOT NULL,
	folder TEXT NOT NULL,
	identifier TEXT NOT NULL,
	owner TEXT,
	grantee TEXT,
	rights TEXT NOT NULL,
	CONSTRAINT pk_mailbox_share PRIMARY KEY (mailbox, folder, identifier)
)

CREATE TABLE mailbox_size (
	mailbox TEXT NOT NULL,
	server TEXT NOT NULL,
	messages BIGINT NOT NULL,
	octets BIGINT NOT NULL,
	folders BIGINT NOT NULL,
	largest BIGINT,
	seen TIMESTAMP WITH TIME ZONE NOT NULL,
	due BOOLEAN NOT NULL,
	CONSTRAINT pk_mailbox_size PRIMARY KEY (mailbox)
)

CREATE TABLE observed (
	wave TEXT NOT NULL,
	ingress TEXT NOT NULL,
	address TEXT NOT NULL,
	nexthop TEXT,
	CONSTRAINT pk_observed PRIMARY KEY (wave, ingress, address)
)

CREATE TABLE pass (
	id BIGSERIAL NOT NULL,
	mailbox TEXT NOT NULL,
	wave TEXT NOT NULL,
	kind TEXT NOT NULL,
	started TIMESTAMP WITH TIME ZONE NOT NULL,
	finished TIMESTAMP WITH TIME ZONE,
	report TEXT,
	error TEXT NOT NULL,
	CONSTRAINT pk_pass PRIMARY KEY (id),
	CONSTRAINT uq_pass_mailbox_wave_started UNIQUE (mailbox, wave, started)
)

CREATE TABLE spent (
	server TEXT NOT NULL,
	day TEXT NOT NULL,
	octets BIGINT NOT NULL,
	messages BIGINT NOT NULL,
	CONSTRAINT pk_spent PRIMARY KEY (server, day)
)

CREATE TABLE throughput (
	id BIGSERIAL NOT NULL,
	source TEXT NOT NULL,
	target TEXT NOT NULL,
	ended TIMESTAMP WITH TIME ZONE NOT NULL,
	seconds FLOAT NOT NULL,
	octets BIGINT NOT NULL,
	messages BIGINT NOT NULL,
	CONSTRAINT pk_throughput PRIMARY KEY (id)
)

CREATE TABLE wave (
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	since TIMESTAMP WITH TIME ZONE NOT NULL,
	deadline TIMESTAMP WITH TIME ZONE,
	error TEXT NOT NULL,
	CONSTRAINT pk_wave PRIMARY KEY (name)
)

CREATE TABLE workspace (
	id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_workspace PRIMARY KEY (id)
)

CREATE TABLE intent (
	id BIGSERIAL NOT NULL,
	folder_id BIGINT NOT NULL,
	kind TEXT NOT NULL,
	direction TEXT NOT NULL,
	uidvalidity BIGINT NOT NULL,
	uidnext BIGINT NOT NULL,
	uids TEXT NOT NULL,
	opened TIMESTAMP WITH TIME ZONE NOT NULL,
	open BOOLEAN NOT NULL,
	doubtful BOOLEAN NOT NULL,
	CONSTRAINT pk_intent PRIMARY KEY (id),
	CONSTRAINT fk_intent_folder_id FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
)

CREATE TABLE message (
	folder_id BIGINT NOT NULL,
	source_uid BIGINT NOT NULL,
	target_uid BIGINT,
	outcome SMALLINT NOT NULL,
	flags TEXT NOT NULL,
	digest BYTEA,
	reason TEXT,
	size BIGINT NOT NULL,
	grade SMALLINT,
	gone SMALLINT NOT NULL,
	CONSTRAINT pk_message PRIMARY KEY (folder_id, source_uid),
	CONSTRAINT fk_message_folder_id FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
)

CREATE TABLE wave_mailbox (
	wave TEXT NOT NULL,
	address TEXT NOT NULL,
	position BIGINT NOT NULL,
	CONSTRAINT pk_wave_mailbox PRIMARY KEY (wave, address),
	CONSTRAINT fk_wave_mailbox_wave FOREIGN KEY(wave) REFERENCES wave (name) ON DELETE CASCADE
)

CREATE TABLE staged (
	intent_id BIGINT NOT NULL,
	origin_uid BIGINT NOT NULL,
	staged_uid BIGINT NOT NULL,
	digest BYTEA NOT NULL,
	CONSTRAINT pk_staged PRIMARY KEY (intent_id, origin_uid),
	CONSTRAINT fk_staged_intent_id FOREIGN KEY(intent_id) REFERENCES intent (id) ON DELETE CASCADE
)

CREATE TABLE schema_revision (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT schema_revision_pkc PRIMARY KEY (version_num)
)

CREATE INDEX ix_audit_wave ON audit (wave)

CREATE INDEX ix_canary_address ON canary (address)

CREATE INDEX ix_canary_wave ON canary (wave)

CREATE INDEX ix_directory_tie_kind_other ON directory_tie (kind, other)

CREATE INDEX ix_flip_wave_ingress ON flip (wave, ingress)

CREATE INDEX ix_intent_folder_id ON intent (folder_id)

CREATE INDEX ix_throughput_source_target ON throughput (source, target)

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()

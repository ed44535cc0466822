CREATE TABLE audit (
	id INTEGER NOT NULL,
	at DATETIME NOT NULL,
	user TEXT NOT NULL,
	host TEXT NOT NULL,
	pid INTEGER NOT NULL,
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
	id INTEGER NOT NULL,
	token TEXT NOT NULL,
	wave TEXT NOT NULL,
	phase TEXT NOT NULL,
	address TEXT NOT NULL,
	ingress TEXT NOT NULL,
	expected TEXT NOT NULL,
	absent_on TEXT NOT NULL,
	state TEXT NOT NULL,
	sent_at DATETIME,
	detail TEXT NOT NULL,
	CONSTRAINT pk_canary PRIMARY KEY (id),
	CONSTRAINT uq_canary_token UNIQUE (token)
)

CREATE TABLE content_audit (
	mailbox TEXT NOT NULL,
	at DATETIME NOT NULL,
	grade TEXT NOT NULL,
	mode TEXT NOT NULL,
	compared INTEGER NOT NULL,
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
	position INTEGER NOT NULL,
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
	position INTEGER NOT NULL,
	CONSTRAINT pk_directory_tie PRIMARY KEY (directory, address, kind, other)
)

CREATE TABLE doing (
	mailbox TEXT NOT NULL,
	wave TEXT NOT NULL,
	kind TEXT NOT NULL,
	held_by TEXT NOT NULL,
	detail TEXT NOT NULL,
	until DATETIME,
	since DATETIME NOT NULL,
	started DATETIME,
	planned_messages INTEGER NOT NULL,
	planned_octets INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	octets INTEGER NOT NULL,
	CONSTRAINT pk_doing PRIMARY KEY (mailbox)
)

CREATE TABLE flip (
	id INTEGER NOT NULL,
	wave TEXT NOT NULL,
	ingress TEXT NOT NULL,
	step TEXT NOT NULL,
	address TEXT NOT NULL,
	expected TEXT,
	wanted TEXT,
	intended DATETIME NOT NULL,
	confirmed DATETIME,
	CONSTRAINT pk_flip PRIMARY KEY (id)
)

CREATE TABLE folder (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	mailbox TEXT NOT NULL,
	source_name TEXT NOT NULL,
	target_name TEXT NOT NULL,
	source_uidvalidity INTEGER NOT NULL,
	target_uidvalidity INTEGER NOT NULL,
	source_uidnext INTEGER NOT NULL,
	source_modseq INTEGER NOT NULL,
	source_messages INTEGER NOT NULL,
	gone BOOLEAN NOT NULL,
	CONSTRAINT uq_folder_mailbox_source_name UNIQUE (mailbox, source_name)
)

CREATE TABLE hold (
	wave TEXT NOT NULL,
	not_before DATETIME,
	postponed BOOLEAN NOT NULL,
	CONSTRAINT pk_hold PRIMARY KEY (wave)
)

CREATE TABLE lease (
	"key" TEXT NOT NULL,
	fence INTEGER NOT NULL,
	held BOOLEAN NOT NULL,
	user TEXT NOT NULL,
	host TEXT NOT NULL,
	pid INTEGER NOT NULL,
	command TEXT NOT NULL,
	process TEXT NOT NULL,
	since DATETIME NOT NULL,
	expires DATETIME NOT NULL,
	ttl_seconds FLOAT NOT NULL,
	CONSTRAINT pk_lease PRIMARY KEY ("key")
)

CREATE TABLE mailbox_folder (
	mailbox TEXT NOT NULL,
	name TEXT NOT NULL,
	whose TEXT NOT NULL,
	messages INTEGER NOT NULL,
	octets INTEGER,
	largest INTEGER,
	special_use TEXT,
	mine TEXT NOT NULL,
	CONSTRAINT pk_mailbox_folder PRIMARY KEY (mailbox, name)
)
 WITHOUT ROWID

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
	messages INTEGER NOT NULL,
	octets INTEGER NOT NULL,
	folders INTEGER NOT NULL,
	largest INTEGER,
	seen DATETIME NOT NULL,
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
	id INTEGER NOT NULL,
	mailbox TEXT NOT NULL,
	wave TEXT NOT NULL,
	kind TEXT NOT NULL,
	started DATETIME NOT NULL,
	finished DATETIME,
	report TEXT,
	error TEXT NOT NULL,
	CONSTRAINT pk_pass PRIMARY KEY (id),
	CONSTRAINT uq_pass_mailbox_wave_started UNIQUE (mailbox, wave, started)
)

CREATE TABLE spent (
	server TEXT NOT NULL,
	day TEXT NOT NULL,
	octets INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	CONSTRAINT pk_spent PRIMARY KEY (server, day)
)

CREATE TABLE throughput (
	id INTEGER NOT NULL,
	source TEXT NOT NULL,
	target TEXT NOT NULL,
	ended DATETIME NOT NULL,
	seconds FLOAT NOT NULL,
	octets INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	CONSTRAINT pk_throughput PRIMARY KEY (id)
)

CREATE TABLE wave (
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	since DATETIME NOT NULL,
	deadline DATETIME,
	error TEXT NOT NULL,
	CONSTRAINT pk_wave PRIMARY KEY (name)
)

CREATE TABLE workspace (
	id VARCHAR(36) NOT NULL,
	CONSTRAINT pk_workspace PRIMARY KEY (id)
)

CREATE TABLE intent (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	folder_id INTEGER NOT NULL,
	kind TEXT NOT NULL,
	direction TEXT NOT NULL,
	uidvalidity INTEGER NOT NULL,
	uidnext INTEGER NOT NULL,
	uids TEXT NOT NULL,
	opened DATETIME NOT NULL,
	open BOOLEAN NOT NULL,
	doubtful BOOLEAN NOT NULL,
	CONSTRAINT fk_intent_folder_id FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
)

CREATE TABLE message (
	folder_id INTEGER NOT NULL,
	source_uid INTEGER NOT NULL,
	target_uid INTEGER,
	outcome SMALLINT NOT NULL,
	flags TEXT NOT NULL,
	digest BLOB,
	reason TEXT,
	size INTEGER NOT NULL,
	grade SMALLINT,
	gone SMALLINT NOT NULL,
	CONSTRAINT pk_message PRIMARY KEY (folder_id, source_uid),
	CONSTRAINT fk_message_folder_id FOREIGN KEY(folder_id) REFERENCES folder (id) ON DELETE CASCADE
)
 WITHOUT ROWID

CREATE TABLE wave_mailbox (
	wave TEXT NOT NULL,
	address TEXT NOT NULL,
	position INTEGER NOT NULL,
	CONSTRAINT pk_wave_mailbox PRIMARY KEY (wave, address),
	CONSTRAINT fk_wave_mailbox_wave FOREIGN KEY(wave) REFERENCES wave (name) ON DELETE CASCADE
)

CREATE TABLE staged (
	intent_id INTEGER NOT NULL,
	origin_uid INTEGER NOT NULL,
	staged_uid INTEGER NOT NULL,
	digest BLOB NOT NULL,
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

CREATE TRIGGER audit_UPDATE BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END

CREATE TRIGGER audit_DELETE BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END

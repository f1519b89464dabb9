"""The tables of the ledger; the migrations build exactly these.

Ownership is structural: a row that hangs below another carries the owner in its foreign key, so that a message of one
person can never hang in a conversation of somebody else. Erasing a person is deleting one row of `users`.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from memory.ledger.columns import CleanJSON, CleanText, Sequence64, UTCDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _sequence() -> Column[int]:
    return Column("seq", Sequence64, primary_key=True, autoincrement=True)


def _id() -> Column[str]:
    return Column("id", CleanText, primary_key=True)


def _person() -> Column[str]:
    return Column("person_id", CleanText, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, UTCDateTime, nullable=nullable)


users = Table(
    "users",
    metadata,
    _id(),
    # The key an app came with; empty where none did, because two NULLs are never equal to a unique constraint.
    Column("app_key_id", CleanText, nullable=False),
    Column("external_id", CleanText),
    # "owner" for the one local owner of this installation, else NULL.
    Column("slot", CleanText, unique=True),
    _time("created_at"),
    UniqueConstraint("app_key_id", "external_id"),
)

keys = Table(
    "keys",
    metadata,
    _id(),
    Column("kind", CleanText, nullable=False),
    Column("person_id", CleanText, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("secret_sha256", CleanText, nullable=False, unique=True),
    Column("scopes", CleanJSON, nullable=False),
    Column("label", CleanText, nullable=False),
    _time("created_at"),
    _time("revoked_at", nullable=True),
    CheckConstraint("kind IN ('user', 'app', 'admin', 'owner')", name="kind"),
)

settings = Table(
    "settings",
    metadata,
    Column("person_id", CleanText, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("memory", Boolean, nullable=False),
    Column("persona", Boolean, nullable=False),
    Column("training", Boolean, nullable=False),
    Column("locale", CleanText),
    Column("country", CleanText),
    Column("retention_days", Integer),
    Column("adult", Boolean),
    _time("updated_at"),
)

consents = Table(
    "consents",
    metadata,
    _sequence(),
    _person(),
    Column("purpose", CleanText, nullable=False),
    Column("granted", Boolean, nullable=False),
    _time("at"),
    Index(None, "person_id", "seq"),
    sqlite_autoincrement=True,
)

conversations = Table(
    "conversations",
    metadata,
    _id(),
    _person(),
    Column("title", CleanText, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    Column("archived", Boolean, nullable=False),
    Column("incognito", Boolean, nullable=False),
    Column("origin", CleanText, nullable=False),
    Column("synthetic_dates", Boolean, nullable=False),
    # What a stateless client will send back next time, hashed, so that its next request finds the conversation.
    Column("thread", CleanText),
    UniqueConstraint("person_id", "id"),
    Index(None, "person_id", "thread"),
    Index(None, "person_id", "updated_at", "id"),
)

messages = Table(
    "messages",
    metadata,
    _sequence(),
    Column("id", CleanText, nullable=False, unique=True),
    Column("person_id", CleanText, nullable=False),
    Column("conversation_id", CleanText, nullable=False),
    Column("parent_id", CleanText),
    Column("role", CleanText, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("status", CleanText, nullable=False),
    Column("client_message_id", CleanText),
    Column("crisis_level", CleanText),
    Column("explanation", CleanJSON),
    _time("created_at"),
    UniqueConstraint("person_id", "id"),
    UniqueConstraint("conversation_id", "id"),
    UniqueConstraint("conversation_id", "client_message_id"),
    Index(None, "conversation_id", "seq"),
    Index(None, "conversation_id", "parent_id"),
    Index(None, "person_id", "role", "seq"),
    ForeignKeyConstraint(
        ["person_id", "conversation_id"], ["conversations.person_id", "conversations.id"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(
        ["conversation_id", "parent_id"], ["messages.conversation_id", "messages.id"], ondelete="CASCADE"
    ),
    CheckConstraint("role IN ('user', 'assistant')", name="role"),
    CheckConstraint("status IN ('complete', 'partial', 'failed', 'retracted')", name="status"),
    CheckConstraint("crisis_level IN ('none', 'concern', 'high', 'imminent')", name="crisis_level"),
    sqlite_autoincrement=True,
)

facts = Table(
    "facts",
    metadata,
    _id(),
    _person(),
    Column("text", CleanText, nullable=False),
    # A hash of the normalised text: two active facts of one person never say the same.
    Column("fingerprint", CleanText, nullable=False),
    Column("kind", CleanText, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("origin", CleanText, nullable=False),
    _time("valid_from"),
    _time("valid_to", nullable=True),
    Column("status", CleanText, nullable=False),
    # Not a foreign key: what superseded a fact may be forgotten while the fact stays superseded.
    Column("superseded_by", CleanText),
    # What the person said of it when asked: "confirmed", "declined", or NULL while they did not.
    Column("review", CleanText),
    _time("created_at"),
    _time("last_recalled_at", nullable=True),
    UniqueConstraint("person_id", "id"),
    Index(None, "person_id", "status", "id"),
    Index(None, "person_id", "status", "kind", "confidence", "id"),
    Index(
        "uq_facts_active_fingerprint",
        "person_id",
        "fingerprint",
        unique=True,
        sqlite_where=text("status = 'active'"),
        postgresql_where=text("status = 'active'"),
    ),
    CheckConstraint("status IN ('active', 'superseded')", name="status"),
    CheckConstraint("origin IN ('stated', 'inferred', 'edited')", name="origin"),
    CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence"),
)

fact_evidence = Table(
    "fact_evidence",
    metadata,
    _sequence(),
    Column("person_id", CleanText, nullable=False),
    Column("fact_id", CleanText, nullable=False),
    Column("message_id", CleanText, nullable=False),
    Column("quote", CleanText, nullable=False),
    # Stands for the quote in the constraint: Postgres indexes no value of many kilobytes.
    Column("quote_sha256", CleanText, nullable=False),
    UniqueConstraint("fact_id", "message_id", "quote_sha256"),
    Index(None, "person_id", "message_id"),
    ForeignKeyConstraint(["person_id", "fact_id"], ["facts.person_id", "facts.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["person_id", "message_id"], ["messages.person_id", "messages.id"], ondelete="CASCADE"),
    sqlite_autoincrement=True,
)

trait_evidence = Table(
    "trait_evidence",
    metadata,
    _sequence(),
    Column("id", CleanText, nullable=False, unique=True),
    _person(),
    # NULL for a questionnaire or a correction, which no message stands behind.
    Column("conversation_id", CleanText),
    Column("message_id", CleanText),
    Column("quote", CleanText, nullable=False),
    Column("trait", CleanText, nullable=False),
    Column("direction", Integer, nullable=False),
    Column("strength", Float, nullable=False),
    Column("item", CleanText),
    Column("source", CleanText, nullable=False),
    _time("observed_at"),
    Index(None, "person_id", "seq"),
    Index(None, "person_id", "message_id"),
    ForeignKeyConstraint(
        ["person_id", "conversation_id"], ["conversations.person_id", "conversations.id"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(["person_id", "message_id"], ["messages.person_id", "messages.id"], ondelete="CASCADE"),
    CheckConstraint("direction IN (-1, 1)", name="direction"),
    CheckConstraint("strength >= 0 AND strength <= 1", name="strength"),
    sqlite_autoincrement=True,
)

trait_controls = Table(
    "trait_controls",
    metadata,
    Column("person_id", CleanText, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("trait", CleanText, primary_key=True),
    _time("frozen_at", nullable=True),
    # The newest message when the evidence was withdrawn; nothing is learnt of the trait from it or from older ones.
    Column("forgotten_to", Sequence64),
)

jobs = Table(
    "jobs",
    metadata,
    _sequence(),
    Column("id", CleanText, nullable=False, unique=True),
    _person(),
    Column("kind", CleanText, nullable=False),
    Column("payload", CleanJSON, nullable=False),
    Column("status", CleanText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", CleanText),
    Column("dedupe_key", CleanText),
    Column("worker_id", CleanText),
    _time("run_after", nullable=True),
    _time("lease_until", nullable=True),
    _time("created_at"),
    _time("updated_at"),
    Index(None, "status", "seq"),
    Index(None, "person_id", "status", "seq"),
    # One running job a person, whatever the workers believe.
    Index(
        "uq_jobs_running_person",
        "person_id",
        unique=True,
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    ),
    Index(
        "uq_jobs_unfinished_dedupe_key",
        "person_id",
        "kind",
        "dedupe_key",
        unique=True,
        sqlite_where=text("status IN ('pending', 'running')"),
        postgresql_where=text("status IN ('pending', 'running')"),
    ),
    CheckConstraint("status IN ('pending', 'running', 'done', 'failed')", name="status"),
    sqlite_autoincrement=True,
)

feedback = Table(
    "feedback",
    metadata,
    Column("message_id", CleanText, primary_key=True),
    Column("person_id", CleanText, nullable=False),
    Column("rating", CleanText, nullable=False),
    Column("reason", CleanText),
    Column("better", CleanText),
    _time("created_at"),
    _time("updated_at"),
    Index(None, "person_id", "message_id"),
    ForeignKeyConstraint(["person_id", "message_id"], ["messages.person_id", "messages.id"], ondelete="CASCADE"),
    CheckConstraint("rating IN ('up', 'down')", name="rating"),
)

# Its stages are the pointers to what answers: one transaction moves them, and each in use is there at most once.
policies = Table(
    "policies",
    metadata,
    Column("version", CleanText, primary_key=True),
    Column("kind", CleanText, nullable=False),
    Column("preset", CleanText, nullable=False),
    Column("prompt_hash", CleanText, nullable=False),
    Column("details", CleanJSON, nullable=False),
    Column("stage", CleanText, nullable=False),
    Column("canary_percent", Float),
    # The data set it was trained on, by the hash of its manifest.
    Column("data_manifest", CleanText, index=True),
    # Since when somebody whose data it saw is erased; it never says who.
    _time("tainted_at", nullable=True),
    _time("created_at"),
    _time("updated_at"),
    Index(
        "uq_policies_in_use",
        "stage",
        unique=True,
        sqlite_where=text("stage IN ('canary', 'live', 'previous')"),
        postgresql_where=text("stage IN ('canary', 'live', 'previous')"),
    ),
    CheckConstraint("kind IN ('lora', 'full', 'configured')", name="kind"),
    CheckConstraint("preset IN ('full', 'paper')", name="preset"),
    CheckConstraint("stage IN ('candidate', 'canary', 'live', 'previous', 'retired')", name="stage"),
)

# How the turns of each version went since the canary began, as counts: no person, no text.
policy_turns = Table(
    "policy_turns",
    metadata,
    Column("version", CleanText, primary_key=True),
    Column("outcome", CleanText, primary_key=True),
    # The upper end of the class the time to the first token fell into.
    Column("first_token_ms", Integer, primary_key=True),
    Column("turns", Integer, nullable=False),
    CheckConstraint("outcome IN ('answered', 'failed')", name="outcome"),
)

# What a job answered, until whoever waits for it in another process has read it: ids and counts, never words.
job_answers = Table(
    "job_answers",
    metadata,
    Column("job_id", CleanText, primary_key=True),
    Column("answer", CleanJSON, nullable=False),
    _time("created_at"),
)

# How often people in distress were noticed and shown where to turn, by UTC day: no person, no text.
safety_counts = Table(
    "safety_counts",
    metadata,
    Column("day", CleanText, primary_key=True),
    Column("event", CleanText, primary_key=True),
    Column("level", CleanText, primary_key=True),
    Column("count", Integer, nullable=False),
    CheckConstraint("event IN ('screened', 'card', 'replaced')", name="event"),
    CheckConstraint("level IN ('none', 'concern', 'high', 'imminent')", name="level"),
)

# What a person had forgotten, as hashes with a salt each, so that older messages do not teach it again.
forgotten_facts = Table(
    "forgotten_facts",
    metadata,
    _sequence(),
    _person(),
    Column("salt", CleanText, nullable=False),
    Column("digest", CleanText, nullable=False),
    # The ledger's newest message at that time: who says it in a later one wants it known again.
    Column("message_seq", Sequence64, nullable=False),
    Index(None, "person_id"),
    sqlite_autoincrement=True,
)

# A data set for training that was built from this ledger, or is being built.
datasets = Table(
    "datasets",
    metadata,
    _id(),
    # Where its answers are kept while it is built; then, both NULL until it is written, the data set itself.
    Column("work", CleanText),
    Column("path", CleanText),
    Column("manifest_sha256", CleanText),
    _time("created_at"),
    _time("finished_at", nullable=True),
)

# Who is who in a data set, and the key of their pseudonyms. It goes with the person, and nothing else tells.
dataset_people = Table(
    "dataset_people",
    metadata,
    Column("dataset_id", CleanText, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", CleanText, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("alias", CleanText, nullable=False),
    Column("secret", CleanText, nullable=False),
    UniqueConstraint("dataset_id", "alias"),
    Index(None, "person_id"),
)

# No person here: a row stays marked when its person is gone.
dataset_rows = Table(
    "dataset_rows",
    metadata,
    Column("dataset_id", CleanText, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("row_id", CleanText, primary_key=True),
    Column("alias", CleanText, nullable=False),
    _time("marked_at", nullable=True),
    Column("reason", CleanText),
    Index(None, "dataset_id", "alias"),
    CheckConstraint("reason IN ('forgotten', 'withdrawn')", name="reason"),
)

# The facts and messages that a row rests on, by id; no foreign keys, because an id of either kind may stand here.
dataset_sources = Table(
    "dataset_sources",
    metadata,
    Column("dataset_id", CleanText, primary_key=True),
    Column("row_id", CleanText, primary_key=True),
    Column("source_id", CleanText, primary_key=True),
    _person(),
    Index(None, "person_id", "source_id"),
    ForeignKeyConstraint(
        ["dataset_id", "row_id"], ["dataset_rows.dataset_id", "dataset_rows.row_id"], ondelete="CASCADE"
    ),
)

# No foreign keys: what was done to somebody must stay on record after they are erased. It never holds message text.
audit = Table(
    "audit",
    metadata,
    _sequence(),
    _time("at"),
    Column("actor", CleanText, nullable=False),
    Column("action", CleanText, nullable=False),
    Column("subject", CleanText, nullable=False, index=True),
    Column("detail", CleanJSON, nullable=False),
    sqlite_autoincrement=True,
)

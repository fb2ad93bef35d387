-- Goal state, its history, and who may change it. BIGINT and TEXT only: the same statements run in
-- SQLite and in PostgreSQL, where TEXT is given the byte order that SQLite compares in.

CREATE TABLE resources (
    namespace        TEXT   NOT NULL,
    kind             TEXT   NOT NULL,
    name             TEXT   NOT NULL,
    uid              TEXT   NOT NULL UNIQUE,
    generation       BIGINT NOT NULL,
    resource_version BIGINT NOT NULL UNIQUE,
    labels           TEXT   NOT NULL,
    spec             TEXT   NOT NULL,
    created_ms       BIGINT NOT NULL,
    updated_ms       BIGINT NOT NULL,
    deleting_ms      BIGINT,
    PRIMARY KEY (namespace, kind, name)
);
CREATE INDEX resources_by_kind ON resources (kind, namespace, name);

-- By uid, so that a resource that is declared again begins a history of its own and the old one stays.
CREATE TABLE versions (
    uid        TEXT   NOT NULL,
    generation BIGINT NOT NULL,
    namespace  TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    spec       TEXT   NOT NULL,
    author     TEXT   NOT NULL,
    at_ms      BIGINT NOT NULL,
    reason     TEXT,
    PRIMARY KEY (uid, generation)
);

CREATE TABLE goals (
    uid  TEXT   NOT NULL PRIMARY KEY REFERENCES resources (uid) ON DELETE CASCADE,
    goal BIGINT NOT NULL,
    body TEXT   NOT NULL
);

CREATE TABLE statuses (
    uid  TEXT   NOT NULL PRIMARY KEY REFERENCES resources (uid) ON DELETE CASCADE,
    body TEXT   NOT NULL
);

CREATE TABLE runs (
    seq       BIGINT NOT NULL PRIMARY KEY,
    id        TEXT   NOT NULL UNIQUE,
    namespace TEXT   NOT NULL,
    job       TEXT   NOT NULL,
    uid       TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    body      TEXT   NOT NULL
);
CREATE INDEX runs_by_job ON runs (namespace, job, seq);
CREATE INDEX runs_by_uid ON runs (uid, seq);
-- Never two runs of one job, whoever writes.
CREATE UNIQUE INDEX runs_one_alive ON runs (namespace, job) WHERE state <> 'ended';

CREATE TABLE savepoints (
    seq       BIGINT NOT NULL PRIMARY KEY,
    id        TEXT   NOT NULL UNIQUE,
    namespace TEXT   NOT NULL,
    job       TEXT   NOT NULL,
    body      TEXT   NOT NULL
);
CREATE INDEX savepoints_by_job ON savepoints (namespace, job, seq);

CREATE TABLE events (
    seq       BIGINT NOT NULL PRIMARY KEY,
    at_ms     BIGINT NOT NULL,
    level     TEXT   NOT NULL,
    namespace TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    what      TEXT   NOT NULL,
    message   TEXT   NOT NULL,
    author    TEXT   NOT NULL
);
CREATE INDEX events_by_namespace ON events (namespace, seq);
CREATE INDEX events_by_resource ON events (namespace, kind, name, seq);

CREATE TABLE tokens (
    id           TEXT   NOT NULL PRIMARY KEY,
    hash         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    bindings     TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    expires_ms   BIGINT,
    last_used_ms BIGINT
);

CREATE TABLE audit (
    seq    BIGINT NOT NULL PRIMARY KEY,
    at_ms  BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    method TEXT   NOT NULL,
    path   TEXT   NOT NULL,
    status BIGINT NOT NULL,
    reason TEXT
);

CREATE TABLE idempotency (
    token      TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    request    TEXT   NOT NULL,
    status     BIGINT,
    headers    TEXT,
    body       TEXT,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (token, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_ms);

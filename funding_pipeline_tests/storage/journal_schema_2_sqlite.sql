CREATE TABLE alerts (
    sequence INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    severity VARCHAR(16) NOT NULL,
    title TEXT NOT NULL,
    action TEXT NOT NULL,
    raised_at VARCHAR(27) NOT NULL,
    numbers TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    began_at VARCHAR(27) NOT NULL,
    seen_at VARCHAR(27) NOT NULL,
    escalated_at VARCHAR(27),
    acknowledged_at VARCHAR(27),
    acknowledged_by TEXT,
    PRIMARY KEY (sequence),
    CONSTRAINT known_severity CHECK (severity IN ('info', 'warning', 'critical'))
);
CREATE INDEX alerts_by_key ON alerts ("key", sequence);
CREATE TABLE armings (
    sequence INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    reason TEXT NOT NULL,
    at VARCHAR(27) NOT NULL,
    until VARCHAR(27),
    PRIMARY KEY (sequence)
);
CREATE TABLE equities (
    sequence INTEGER NOT NULL,
    at VARCHAR(27) NOT NULL,
    equity_usd TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (sequence)
);
CREATE TABLE fills (
    sequence INTEGER NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    fill_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    side VARCHAR(16) NOT NULL,
    quantity TEXT NOT NULL,
    price TEXT NOT NULL,
    fee TEXT,
    fee_currency TEXT,
    is_maker BOOLEAN,
    traded_at VARCHAR(27) NOT NULL,
    PRIMARY KEY (sequence),
    CONSTRAINT known_side CHECK (side IN ('buy', 'sell')),
    CONSTRAINT one_row_per_fill UNIQUE (venue, symbol, fill_id, side),
    CONSTRAINT is_maker CHECK (is_maker IN (0, 1))
);
CREATE INDEX fills_by_time ON fills (venue, symbol, traded_at);
CREATE TABLE heartbeats (
    process TEXT NOT NULL,
    at VARCHAR(27) NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (process)
);
CREATE TABLE journal_schema (
    row_id INTEGER NOT NULL CONSTRAINT one_row CHECK (row_id = 1),
    version INTEGER NOT NULL,
    PRIMARY KEY (row_id)
);
CREATE TABLE locks (
    name VARCHAR(32) NOT NULL,
    generation BIGINT NOT NULL,
    owner TEXT,
    acquired_at VARCHAR(27),
    expires_at VARCHAR(27),
    PRIMARY KEY (name)
);
CREATE TABLE payments (
    sequence INTEGER NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    settled_at VARCHAR(27) NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    payment_id TEXT,
    rate FLOAT,
    payment_key TEXT NOT NULL,
    PRIMARY KEY (sequence),
    CONSTRAINT one_row_per_payment UNIQUE (venue, symbol, settled_at, payment_key)
);
CREATE TABLE states (
    sequence INTEGER NOT NULL,
    state VARCHAR(16) NOT NULL,
    reason TEXT NOT NULL,
    "by" TEXT NOT NULL,
    since VARCHAR(27) NOT NULL,
    PRIMARY KEY (sequence),
    CONSTRAINT known_state CHECK (state IN ('ACTIVE', 'REDUCING', 'HALTED'))
);
CREATE TABLE tightenings (
    sequence INTEGER NOT NULL,
    name TEXT NOT NULL,
    value FLOAT NOT NULL,
    "by" TEXT NOT NULL,
    reason TEXT NOT NULL,
    at VARCHAR(27) NOT NULL,
    forgotten_at VARCHAR(27),
    PRIMARY KEY (sequence)
);
CREATE TABLE verdicts (
    sequence INTEGER NOT NULL,
    verdict_id TEXT NOT NULL,
    rebalance TEXT NOT NULL,
    judged_at VARCHAR(27) NOT NULL,
    expires_at VARCHAR(27) NOT NULL,
    state VARCHAR(16) NOT NULL,
    limits_version TEXT NOT NULL,
    legs TEXT NOT NULL,
    breaches TEXT NOT NULL,
    PRIMARY KEY (sequence),
    CONSTRAINT known_state CHECK (state IN ('ACTIVE', 'REDUCING', 'HALTED')),
    UNIQUE (verdict_id)
);
CREATE TABLE intents (
    sequence INTEGER NOT NULL,
    client_order_id VARCHAR(24) NOT NULL CONSTRAINT client_order_id_of_24 CHECK (length(client_order_id) = 24),
    strategy TEXT NOT NULL,
    rebalance TEXT NOT NULL,
    leg TEXT NOT NULL,
    attempt INTEGER NOT NULL CONSTRAINT attempt_counts_up CHECK (attempt >= 0),
    purpose VARCHAR(16) NOT NULL,
    verdict_id TEXT NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side VARCHAR(16) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    quantity TEXT NOT NULL,
    price TEXT,
    time_in_force VARCHAR(16) NOT NULL,
    reduce_only BOOLEAN NOT NULL,
    written_at VARCHAR(27) NOT NULL,
    outcome VARCHAR(16) NOT NULL,
    error TEXT,
    resolved_at VARCHAR(27),
    PRIMARY KEY (sequence),
    CONSTRAINT known_purpose CHECK (purpose IN ('open', 'reduce', 'hedge', 'flatten')),
    CONSTRAINT known_side CHECK (side IN ('buy', 'sell')),
    CONSTRAINT known_kind CHECK (kind IN ('market', 'limit')),
    CONSTRAINT known_time_in_force CHECK (time_in_force IN ('gtc', 'ioc', 'post_only')),
    CONSTRAINT known_outcome CHECK (outcome IN ('pending', 'accepted', 'rejected', 'unknown', 'absent')),
    CONSTRAINT one_intent_per_attempt UNIQUE (strategy, rebalance, leg, attempt),
    UNIQUE (client_order_id),
    FOREIGN KEY(verdict_id) REFERENCES verdicts (verdict_id),
    CONSTRAINT reduce_only_is_told CHECK (reduce_only IN (0, 1))
);
CREATE INDEX intents_by_outcome ON intents (outcome, venue, symbol);
CREATE INDEX intents_by_rebalance ON intents (rebalance);
CREATE TABLE orders (
    intent_id VARCHAR(24) NOT NULL,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    order_id TEXT NOT NULL,
    client_order_id TEXT,
    status VARCHAR(16) NOT NULL,
    side VARCHAR(16) NOT NULL,
    quantity TEXT NOT NULL,
    filled TEXT NOT NULL,
    average_price TEXT,
    limit_price TEXT,
    reduce_only BOOLEAN,
    updated_at VARCHAR(27),
    PRIMARY KEY (intent_id),
    CONSTRAINT known_status CHECK (status IN ('open', 'filled', 'cancelled', 'rejected')),
    CONSTRAINT known_side CHECK (side IN ('buy', 'sell')),
    FOREIGN KEY(intent_id) REFERENCES intents (client_order_id),
    CONSTRAINT order_reduce_only CHECK (reduce_only IN (0, 1))
);

//! The promises, each with the statements that find what breaks it. A statement answers one text a violation, with `#` before
//! the number of a delivery's id. An event's place is its account's number times 2^40 and its `seq` (see `rows/event.rs`).

/// One promise.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) promise: &'static str,
    /// Counts what it is about.
    pub(super) count: &'static str,
    pub(super) violations: &'static [&'static str],
}

/// From which delivery id on everything of a lane is kept: its account may keep its history for less long than others.
macro_rules! kept_by_lane {
    () => {
        "(SELECT l.ref, CASE WHEN a.kept_from > r.kept_from THEN a.kept_from ELSE r.kept_from END AS kept_from \
         FROM lanes l JOIN accounts a ON a.ref = l.account CROSS JOIN retention r)"
    };
}

const COUNT_DELIVERIES: &str = "SELECT (SELECT COUNT(*) FROM queue) + (SELECT COUNT(*) FROM deliveries)";
const COUNT_QUEUE: &str = "SELECT COUNT(*) FROM queue";
const COUNT_ATTEMPTS: &str = "SELECT COUNT(*) FROM attempts";

/// What is examined in an SQLite file only.
pub(super) const SQLITE: [Definition; 1] = [Definition {
    name: "database",
    promise: "the file is whole",
    count: "SELECT COUNT(*) FROM sqlite_schema",
    violations: &["SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'"],
}];

/// What is examined in PostgreSQL only.
pub(super) const POSTGRES: [Definition; 2] = [
    Definition {
        name: "database",
        promise: "every index can be used",
        count: "SELECT COUNT(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE c.relnamespace = current_schema()::regnamespace",
        violations: &["SELECT 'index ' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready)"],
    },
    Definition {
        name: "queue.holders",
        promise: "a delivery that is held is held by a node that is known",
        count: "SELECT COUNT(*) FROM queue WHERE claim IS NOT NULL",
        violations: &["SELECT 'delivery #' || id || ': held by nobody' FROM queue \
             WHERE claim IS NOT NULL AND claim NOT IN (SELECT token FROM nodes)"],
    },
];

pub(super) const ALL: &[Definition] = &[
    Definition {
        name: "accounts",
        promise: "everything belongs to an account that exists",
        count: "SELECT COUNT(*) FROM accounts",
        violations: &[
            "SELECT 'endpoints of account ' || x.account_id FROM (SELECT DISTINCT account_id FROM endpoints) x \
             LEFT JOIN accounts a ON a.id = x.account_id WHERE a.id IS NULL",
            "SELECT 'events of account number ' || x.account FROM (SELECT DISTINCT account FROM events) x \
             LEFT JOIN accounts a ON a.ref = x.account WHERE a.id IS NULL",
            "SELECT 'lane ' || l.ref || ' of account ' || l.account_id FROM lanes l \
             LEFT JOIN accounts a ON a.ref = l.account AND a.id = l.account_id WHERE a.id IS NULL",
            "SELECT 'ended deliveries of account number ' || x.account FROM (SELECT DISTINCT account FROM deliveries) x \
             LEFT JOIN accounts a ON a.ref = x.account WHERE a.id IS NULL",
            "SELECT 'secrets of account ' || x.account_id FROM (SELECT DISTINCT account_id FROM secrets) x \
             LEFT JOIN accounts a ON a.id = x.account_id WHERE a.id IS NULL",
            "SELECT 'resources of account ' || x.account_id FROM (SELECT DISTINCT account_id FROM resources) x \
             LEFT JOIN accounts a ON a.id = x.account_id WHERE a.id IS NULL",
            "SELECT 'clients of account ' || x.account_id FROM (SELECT DISTINCT account_id FROM clients) x \
             LEFT JOIN accounts a ON a.id = x.account_id WHERE a.id IS NULL",
            "SELECT 'keys of account ' || x.account_id FROM (SELECT DISTINCT account_id FROM api_keys) x \
             LEFT JOIN accounts a ON a.id = x.account_id WHERE a.id IS NULL AND x.account_id IS NOT NULL",
        ],
    },
    Definition {
        name: "events.seq",
        promise: "the events of an account are numbered from its first to its last, without gaps, and from 1 if all are kept",
        count: "SELECT COUNT(*) FROM events",
        violations: &[
            "SELECT 'account ' || a.id || ': ' || COALESCE(e.found, 0) || ' events from ' || COALESCE(e.low, 0) || ' to ' \
             || COALESCE(e.high, 0) || ', and it says ' || a.first_seq || ' to ' || a.last_seq FROM accounts a \
             LEFT JOIN (SELECT place >> 40 AS account, COUNT(*) AS found, MIN(place) & 1099511627775 AS low, \
             MAX(place) & 1099511627775 AS high FROM events GROUP BY place >> 40) e ON e.account = a.ref \
             WHERE a.deleting_since IS NULL AND (COALESCE(e.found, 0) <> a.last_seq - a.first_seq + 1 \
             OR COALESCE(e.high, a.last_seq) <> a.last_seq OR COALESCE(e.low, a.first_seq) <> a.first_seq \
             OR (a.first_seq <> 1 AND a.kept_from = 0 AND (SELECT kept_from FROM retention) = 0))",
        ],
    },
    Definition {
        name: "events.deliveries",
        promise: "an event has all the deliveries that its publication made, live or ended",
        count: "SELECT COUNT(*) FROM events",
        violations: &[
            "SELECT 'event ' || id || ' of account number ' || account || ': ' || found || ' deliveries of ' || deliveries FROM \
             (SELECT e.account, e.id, e.deliveries, COALESCE(q.found, 0) + (SELECT COUNT(*) FROM deliveries d \
             WHERE d.event = e.place AND (d.origin IS NULL OR d.origin = 'test')) AS found FROM events e \
             LEFT JOIN (SELECT event, COUNT(*) AS found FROM queue WHERE origin IS NULL OR origin = 'test' GROUP BY event) q \
             ON q.event = e.place WHERE e.created_at >= (SELECT kept_since FROM retention) \
             AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.ref = e.account AND e.created_at < a.kept_since) \
             AND e.account NOT IN (SELECT ref FROM accounts WHERE deleting_since IS NOT NULL)) x WHERE found <> deliveries",
        ],
    },
    Definition {
        name: "events.subjects",
        promise: "a subject names an event that exists",
        count: "SELECT COUNT(*) FROM subjects",
        violations: &[
            "SELECT 'a subject of event ' || (s.event & 1099511627775) || ' of account number ' || (s.event >> 40) FROM subjects s \
             LEFT JOIN events e ON e.place = s.event WHERE e.place IS NULL",
            "SELECT 'live delivery #' || q.id || ': it does not say that its event has subjects' FROM queue q \
             WHERE q.about IS NULL AND EXISTS (SELECT 1 FROM subjects s WHERE s.event = q.event)",
        ],
    },
    Definition {
        name: "events.removed",
        promise: "of an event whose data was removed nothing is left to be sent, and no answer",
        count: "SELECT COUNT(*) FROM events WHERE payload_length < 0",
        violations: &[
            "SELECT 'event ' || id || ' of account number ' || account || ': a payload of ' || LENGTH(payload_sealed) || ' bytes' \
             FROM events WHERE payload_length < 0 AND LENGTH(payload_sealed) > 0",
            "SELECT 'live delivery #' || q.id FROM queue q JOIN events e ON e.place = q.event WHERE e.payload_length < 0",
            "SELECT 'answer to delivery #' || d.id FROM deliveries d JOIN events e ON e.place = d.event \
             WHERE e.payload_length = -1 AND d.response_sealed IS NOT NULL",
        ],
    },
    Definition {
        name: "erasures",
        promise: "what is about a subject that was erased is gone",
        count: "SELECT COUNT(*) FROM erasures",
        violations: &[
            "SELECT 'erasure ' || id || ': ' || state FROM erasures WHERE state NOT IN ('running', 'done') \
             OR (state = 'running' AND ended_at IS NOT NULL) OR (state = 'done' AND ended_at IS NULL)",
            "SELECT 'erasure ' || x.id || ': event ' || e.id || ' of account number ' || e.account || ' has its data' \
             FROM erasures x JOIN accounts a ON a.id = x.account_id JOIN subjects s ON s.subject = x.subject \
             JOIN events e ON e.place = s.event AND e.account = a.ref \
             WHERE x.state = 'done' AND e.payload_length >= 0 AND e.place <= x.last_event",
        ],
    },
    Definition {
        name: "deliveries.event",
        promise: "a delivery has its event",
        count: COUNT_DELIVERIES,
        violations: &[
            "SELECT 'live delivery #' || d.id || ': no event ' || (d.event & 1099511627775) || ' of account number ' \
             || (d.event >> 40) FROM queue d LEFT JOIN events e ON e.place = d.event WHERE e.place IS NULL",
            "SELECT 'ended delivery #' || d.id || ': no event ' || (d.event & 1099511627775) || ' of account number ' \
             || (d.event >> 40) FROM deliveries d LEFT JOIN events e ON e.place = d.event WHERE e.place IS NULL",
        ],
    },
    Definition {
        name: "deliveries.endpoint",
        promise: "a live delivery has its endpoint, and one that has had it ended when it was deleted",
        count: COUNT_QUEUE,
        violations: &["SELECT 'live delivery #' || d.id || ': no endpoint in lane ' || d.lane \
             FROM queue d LEFT JOIN endpoints p ON p.lane = d.lane WHERE p.id IS NULL"],
    },
    Definition {
        name: "deliveries.account",
        promise: "a delivery, its event and its endpoint are of one account",
        count: COUNT_DELIVERIES,
        violations: &[
            "SELECT 'live delivery #' || d.id || ': an event of account number ' || (d.event >> 40) || ' in lane ' || d.lane \
             FROM queue d LEFT JOIN lanes l ON l.ref = d.lane WHERE l.ref IS NULL OR l.account <> d.event >> 40",
            "SELECT 'ended delivery #' || d.id || ': an event of account number ' || (d.event >> 40) || ' in lane ' || d.lane \
             || ', and it says ' || d.account FROM deliveries d LEFT JOIN lanes l ON l.ref = d.lane \
             WHERE l.ref IS NULL OR l.account <> d.event >> 40 OR d.account <> l.account",
            "SELECT 'event ' || id || ' of account number ' || (place >> 40) || ' says ' || account FROM events \
             WHERE account <> place >> 40",
            "SELECT 'endpoint ' || p.account_id || '/' || p.id || ' in lane ' || p.lane FROM endpoints p \
             LEFT JOIN lanes l ON l.ref = p.lane AND l.account_id = p.account_id AND l.endpoint_id = p.id WHERE l.ref IS NULL",
        ],
    },
    Definition {
        name: "deliveries.once",
        promise: "a delivery is live or ended, not both",
        count: COUNT_DELIVERIES,
        violations: &["SELECT 'delivery #' || q.id FROM queue q JOIN deliveries d ON d.id = q.id"],
    },
    Definition {
        name: "deliveries.number",
        promise: "the deliveries of an endpoint are numbered to its last, without gaps, and from 1 if all are kept",
        count: COUNT_DELIVERIES,
        violations: &[
            // After an id of a clock that was ahead, which outlives its week, there may be a gap.
            concat!(
                "SELECT 'lane ' || lane || ': number ' || number || ' after ' || before FROM (SELECT id, lane, number, kept_from, \
                 COALESCE(LAG(number) OVER (PARTITION BY lane ORDER BY number), \
                 CASE WHEN kept_from = 0 THEN 0 ELSE number - 1 END) AS before, \
                 LAG(id) OVER (PARTITION BY lane ORDER BY number) AS id_before \
                 FROM (SELECT id, lane, number, kept_from FROM (SELECT id, lane, number FROM queue \
                 UNION ALL SELECT id, lane, number FROM deliveries) x JOIN ",
                kept_by_lane!(),
                " k ON k.ref = x.lane WHERE id >= kept_from) w) y \
                 WHERE number <> before + 1 AND (kept_from = 0 OR id_before IS NULL OR id_before < id) AND lane NOT IN \
                 (SELECT l.ref FROM lanes l JOIN accounts a ON a.ref = l.account WHERE a.deleting_since IS NOT NULL)"
            ),
            concat!(
                "SELECT 'endpoint ' || p.account_id || '/' || p.id || ': the last of its deliveries is ' || COALESCE(d.last, 0) \
                 || ', and it says ' || p.last_number FROM endpoints p JOIN ",
                kept_by_lane!(),
                " k ON k.ref = p.lane LEFT JOIN (SELECT lane, MAX(number) AS last FROM (SELECT id, lane, number FROM queue \
                 UNION ALL SELECT id, lane, number FROM deliveries) x JOIN ",
                kept_by_lane!(),
                " o ON o.ref = x.lane WHERE id >= kept_from GROUP BY lane) d ON d.lane = p.lane \
                 WHERE (d.last <> p.last_number OR (d.last IS NULL AND k.kept_from = 0 AND p.last_number <> 0)) \
                 AND p.account_id NOT IN (SELECT id FROM accounts WHERE deleting_since IS NOT NULL)"
            ),
        ],
    },
    Definition {
        name: "deliveries.attempts",
        promise: "the attempts of a delivery are numbered from 1 to as many as it says",
        count: COUNT_ATTEMPTS,
        violations: &[
            "SELECT 'delivery #' || d.id || ': ' || COALESCE(t.found, 0) || ' attempts, the last is ' || COALESCE(t.high, 0) \
             || ', and it says ' || d.attempts FROM (SELECT id, attempts FROM queue \
             UNION ALL SELECT id, attempts FROM deliveries) d CROSS JOIN retention r LEFT JOIN (SELECT delivery_id, COUNT(*) AS found, \
             MIN(number) AS low, MAX(number) AS high FROM attempts GROUP BY delivery_id) t ON t.delivery_id = d.id \
             WHERE d.id >= r.kept_from AND (COALESCE(t.found, 0) <> d.attempts OR COALESCE(t.high, 0) <> d.attempts \
             OR COALESCE(t.low, 1) <> 1)",
            "SELECT 'attempt ' || t.number || ' of delivery #' || t.delivery_id || ', which does not exist' FROM attempts t \
             LEFT JOIN queue q ON q.id = t.delivery_id LEFT JOIN deliveries d ON d.id = t.delivery_id \
             WHERE q.id IS NULL AND d.id IS NULL AND t.delivery_id >= (SELECT kept_from FROM retention)",
        ],
    },
    Definition {
        name: "attempts.phases",
        promise: "where the time of an attempt went can be read",
        count: "SELECT COUNT(*) FROM attempts WHERE phases IS NOT NULL",
        violations: &["SELECT 'attempt ' || number || ' of delivery #' || delivery_id || ': ' || LENGTH(phases) || ' bytes' \
             FROM attempts WHERE LENGTH(phases) > 20"],
    },
    Definition {
        name: "deliveries.state",
        promise: "a delivery that ended was delivered by an answer, failed after an attempt, or was cancelled",
        count: "SELECT COUNT(*) FROM deliveries",
        violations: &[
            "SELECT 'delivery #' || d.id || ': ' || d.state || ' after ' || d.attempts || ' attempts' FROM deliveries d \
             WHERE d.state NOT IN ('delivered', 'failed', 'cancelled') OR (d.state <> 'cancelled' AND d.attempts < 1)",
            "SELECT 'delivery #' || d.id || ': delivered, and its last attempt ended as ' || t.outcome FROM deliveries d \
             JOIN attempts t ON t.delivery_id = d.id AND t.number = d.attempts \
             WHERE d.state = 'delivered' AND t.outcome <> 'response'",
        ],
    },
    Definition {
        name: "queue.waiting",
        promise: "a live delivery is held, waits in its lane, or waits for its time",
        count: COUNT_QUEUE,
        violations: &["SELECT 'delivery #' || id || ': held, and waiting for its time' FROM queue \
             WHERE claim IS NOT NULL AND wake_at IS NOT NULL"],
    },
    Definition {
        name: "queue.order",
        promise: "a delivery that waits for another of its order has one before it that may be attempted",
        count: "SELECT COUNT(*) FROM queue WHERE order_key IS NOT NULL",
        violations: &[
            "SELECT 'lane #' || lane || ': ' || COUNT(*) || ' deliveries of an order wait, and none goes' FROM queue \
             WHERE order_key IS NOT NULL GROUP BY lane, order_key HAVING MIN(COALESCE(wake_at, 0)) = 9223372036854775807",
            "SELECT 'delivery #' || id || ': it waits for others, and is in no order' FROM queue \
             WHERE wake_at = 9223372036854775807 AND order_key IS NULL",
        ],
    },
    Definition {
        name: "queue.suspicion",
        promise: "what is held against a delivery that a process died with has a meaning",
        count: "SELECT COUNT(*) FROM queue WHERE suspicion IS NOT NULL",
        violations: &["SELECT 'delivery #' || id || ': ' || suspicion FROM queue WHERE suspicion NOT BETWEEN 1 AND 7"],
    },
    Definition {
        name: "accounts.pending",
        promise: "an account knows how many of its deliveries are live",
        count: COUNT_QUEUE,
        violations: &[
            "SELECT 'account ' || a.id || ': ' || COALESCE(q.found, 0) || ' live deliveries, and it says ' || a.pending \
             FROM accounts a LEFT JOIN (SELECT event >> 40 AS account, COUNT(*) AS found FROM queue GROUP BY event >> 40) q \
             ON q.account = a.ref WHERE COALESCE(q.found, 0) <> a.pending",
        ],
    },
    Definition {
        name: "figures",
        promise: "what all accounts came to is the sum of what each came to",
        count: "SELECT COUNT(*) FROM rollups",
        // A count moves within its day; the first day may be about to be forgotten.
        violations: &[
            "SELECT 'day ' || x.day || ': ' || x.of_all || ' attempts of all accounts, and ' || x.of_each || ' of each' FROM \
             (SELECT CASE span WHEN 0 THEN number / 1440 WHEN 1 THEN number / 24 ELSE number END AS day, \
             SUM(CASE WHEN account = 0 THEN attempts ELSE 0 END) AS of_all, \
             SUM(CASE WHEN account > 0 AND lane > 0 THEN attempts ELSE 0 END) AS of_each FROM rollups WHERE span <= 2 GROUP BY 1) x \
             WHERE x.of_all <> x.of_each AND x.day > COALESCE((SELECT MIN(number) FROM rollups WHERE span = 2), 0)",
        ],
    },
    Definition {
        name: "incidents",
        promise: "an endpoint knows how many of its incidents are unresolved that a success may end",
        count: "SELECT COUNT(*) FROM incidents",
        violations: &["SELECT 'endpoint ' || p.account_id || '/' || p.id || ': ' || COALESCE(i.found, 0) \
             || ' unresolved incidents, and it says ' || p.incidents FROM endpoints p LEFT JOIN \
             (SELECT lane, COUNT(*) AS found FROM incidents WHERE resolved_at IS NULL AND outcome <> 'lease_ending' \
             GROUP BY lane) i ON i.lane = p.lane \
             WHERE COALESCE(i.found, 0) <> p.incidents"],
    },
    Definition {
        name: "bulk_retries",
        promise: "a retry of many deliveries has ended or runs, and counts no more than it named",
        count: "SELECT COUNT(*) FROM bulk_retries",
        violations: &[
            "SELECT 'bulk retry ' || b.id || ': ' || b.state || ' at ' || b.cursor_id FROM bulk_retries b \
             WHERE b.state NOT IN ('running', 'done', 'cancelled') OR b.wanted_state NOT IN ('failed', 'cancelled', 'pending') \
             OR (b.state = 'running' AND b.ended_at IS NOT NULL) OR (b.state <> 'running' AND b.ended_at IS NULL) \
             OR b.cursor_id < 0 OR b.retried < 0 OR b.skipped < 0",
            "SELECT 'bulk retry ' || b.id || ': it runs, and its account is gone' FROM bulk_retries b \
             LEFT JOIN accounts a ON a.id = b.account_id WHERE b.state = 'running' AND b.account_id IS NOT NULL AND a.id IS NULL",
        ],
    },
    Definition {
        name: "replays",
        promise: "a replay keeps to its range, counts what it made, and sends no event twice",
        count: "SELECT COUNT(*) FROM replays",
        violations: &[
            "SELECT 'replay ' || r.id || ': ' || r.state || ' at ' || r.cursor_seq || ' of ' || r.last_seq FROM replays r \
             JOIN accounts a ON a.id = r.account_id WHERE r.cursor_seq < 0 OR r.cursor_seq > r.last_seq \
             OR r.last_seq > a.last_seq OR r.created > r.examined OR r.state NOT IN ('running', 'done', 'cancelled') \
             OR (r.state = 'running' AND r.ended_at IS NOT NULL) OR (r.state <> 'running' AND r.ended_at IS NULL) \
             OR (r.state = 'done' AND r.cursor_seq <> r.last_seq)",
            "SELECT 'replay ' || r.id || ': it runs, and its endpoint is gone' FROM replays r LEFT JOIN endpoints p \
             ON p.account_id = r.account_id AND p.id = r.endpoint_id WHERE r.state = 'running' AND p.id IS NULL",
            "SELECT 'replay ' || r.id || ': ' || COALESCE(d.found, 0) || ' deliveries of ' || COALESCE(d.events, 0) \
             || ' events, and it says ' || r.created FROM replays r JOIN lanes l \
             ON l.account_id = r.account_id AND l.endpoint_id = r.endpoint_id LEFT JOIN (SELECT lane, origin, \
             COUNT(*) AS found, COUNT(DISTINCT event) AS events FROM \
             (SELECT lane, origin, event FROM queue WHERE origin IS NOT NULL \
             UNION ALL SELECT lane, origin, event FROM deliveries WHERE origin IS NOT NULL) x \
             GROUP BY lane, origin) d ON d.lane = l.ref AND d.origin = r.id \
             WHERE (COALESCE(d.found, 0) <> r.created OR COALESCE(d.events, 0) <> r.created) \
             AND r.created_at >= (SELECT kept_since FROM retention) \
             AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = r.account_id AND r.created_at < a.kept_since)",
        ],
    },
    Definition {
        name: "secrets.owner",
        promise: "a secret belongs to an account or to an endpoint that exists",
        count: "SELECT COUNT(*) FROM secrets",
        violations: &["SELECT 'secret ' || s.ordinal || ' of endpoint ' || s.account_id || '/' || s.endpoint_id FROM secrets s \
             LEFT JOIN endpoints p ON p.account_id = s.account_id AND p.id = s.endpoint_id \
             WHERE p.id IS NULL AND s.endpoint_id <> ''"],
    },
];
